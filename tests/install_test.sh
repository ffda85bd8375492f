#!/bin/sh
# install_test - what `make install` puts down is enough to build and run a program against: TAP.
set -u
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
if ! make -s BUILD="$BUILD" SAN="${SAN:-}" PREFIX="$root" install >"$root/log" 2>&1; then
    echo "not ok 1 - make install works"
    cat "$root/log"
    exit 1
fi
echo "ok 1 - make install works"
cat >"$root/app.c" <<'C'
#include <tailor.h>
#include <stdio.h>
int main(void)
{
    tl_err err;
    tl_model *m = NULL;
    if (tl_model_open(&m, "/nowhere/base", &err) < 0) printf("%s\n", err.text);
    tl_model_free(m);
    return 0;
}
C
export PKG_CONFIG_PATH="$root/lib/pkgconfig"
# shellcheck disable=SC2046
if ${CC:-gcc} -std=gnu11 ${SAN:+-fsanitize=$SAN} -o "$root/app" "$root/app.c" $(pkg-config --cflags --libs --static tailor) 2>"$root/log"; then
    echo "ok 2 - a program compiles against the installed header and library"
else
    echo "not ok 2 - a program compiles against the installed header and library"
    cat "$root/log"
    exit 1
fi
case $("$root/app") in
*/nowhere/base*) echo "ok 3 - and it runs" ;;
*) echo "not ok 3 - and it runs" ;;
esac
