/* cmd_pull_test.c - `tailor pull` from outside, against a hub in this process: what it prints, how it ends, what a
 * signal, a full disk and a narrow terminal do to it, and that what it brought is a base for the other commands. */
#define _GNU_SOURCE /* nftw, environ */
#include "io/atomic.h"
#include "tests/check.h"
#include "tests/hub_server.h"
#include "tests/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define GOLDEN   "tests/golden/model/llama"
#define SNAPSHOT "hub/models--org--tiny/snapshots/" HUB_SHA

enum {
    SIZE = 400000,
    COLUMNS = 40
};

static char weights[SIZE], tailor[400], endpoint[100];
static hub_server *hub;
static pid_t child;

static struct {
    int code;
    char out[20000], said[20000];
} r;

static void begin(void)
{
    const char *build = getenv("BUILD");
    snprintf(tailor, sizeof tailor, "%s/tailor", build ? build : "build");
    for (size_t i = 0; i < SIZE; i++) weights[i] = (char)(i * 31 % 251);
    scratch_begin();
    hub = hub_begin("org/tiny");
    hub_add(hub, "config.json", "{}", 2, false);
    hub_add(hub, "model.safetensors", weights, SIZE, true);
    snprintf(endpoint, sizeof endpoint, "%s", hub_url(hub));
    static const char *const other[] = {
        "HF_HUB_CACHE",   "HUGGINGFACE_HUB_CACHE",        "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH",
        "HF_HUB_OFFLINE", "HF_HUB_DISABLE_IMPLICIT_TOKEN"
    };
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) unsetenv(other[i]);
    setenv("HF_HOME", scratch_dir, 1);
    setenv("HF_ENDPOINT", endpoint, 1);
}

static void end(void)
{
    hub_end(hub);
    scratch_end();
}

/* What comes out of fd, as a string, until its other end is closed (a terminal says EIO then). */
static void drain(int fd, char *text, size_t size)
{
    size_t n = 0;
    for (ssize_t got; n + 1 < size && (got = read(fd, text + n, size - 1 - n)) != 0; n += got > 0 ? (size_t)got : 0)
        if (got < 0 && errno != EINTR) break;
    text[n] = '\0';
    close(fd);
}

/* Run tailor with these arguments, the words of line.  limit: of a file's size, 0: none.  columns: standard error is a
 * terminal of that width, 0: a pipe. */
static void run_with(const char *line, size_t limit, int columns)
{
    char words[1000], *arguments[32] = { tailor }, *rest = words;
    int n = 1, out[2], said[2], terminal = -1, side = -1;
    snprintf(words, sizeof words, "%s", line);
    for (char *word; n < 31 && (word = strtok_r(rest, " ", &rest)); n++) arguments[n] = word;
    CHECK(pipe2(out, O_CLOEXEC) == 0 && pipe2(said, O_CLOEXEC) == 0);
    struct winsize w = { .ws_row = 24, .ws_col = (unsigned short)columns };
    if (columns) CHECK(openpty(&terminal, &side, NULL, NULL, &w) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(columns ? side : said[1], STDERR_FILENO);
        struct rlimit room = { limit, limit };
        if (limit && setrlimit(RLIMIT_FSIZE, &room) != 0) _exit(99);
        if (columns) close(terminal), close(side);
        execv(tailor, arguments);
        _exit(98);
    }
    CHECK(pid > 0);
    pthread_mutex_lock(&hub->web.lock);
    child = pid;
    pthread_mutex_unlock(&hub->web.lock);
    close(out[1]);
    close(said[1]);
    if (columns) {
        close(side);
        close(said[0]);
    }
    drain(columns ? terminal : said[0], r.said, sizeof r.said);
    drain(out[0], r.out, sizeof r.out);
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    r.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void run(const char *line)
{
    run_with(line, 0, 0);
}

static bool holds(const char *name, const void *bytes, size_t size)
{
    char path[300];
    tl_buf b = tl_buf_make(1 << 20);
    snprintf(path, sizeof path, SNAPSHOT "/%s", name);
    bool same =
        tl_file_read(scratch(path), 1 << 20, &b, NULL) == 0 && b.size == size && memcmp(b.data, bytes, size) == 0;
    tl_buf_reset(&b);
    return same;
}

/* One line on standard error, of the program's own voice, and nothing on standard output. */
static void check_refused(int code, const char *words)
{
    CHECK_INT(r.code, code);
    CHECK_STR(r.out, "");
    CHECK(strncmp(r.said, "tailor: ", 8) == 0);
    CHECK(strchr(r.said, '\n') == r.said + strlen(r.said) - 1);
    CHECK_HAS(r.said, words);
}

TEST(pull_prints_the_snapshot_and_says_what_came)
{
    char path[500];
    begin();
    snprintf(path, sizeof path, "%s\n", scratch(SNAPSHOT));
    run("pull org/tiny");
    CHECK_STR(r.said, "pull: 2 files, 400.0 kB, of which 400.0 kB came now\n");
    CHECK_STR(r.out, path);
    CHECK_INT(r.code, 0);
    CHECK(holds("config.json", "{}", 2) && holds("model.safetensors", weights, SIZE));
    run("pull org/tiny");
    CHECK_STR(r.said, "pull: 2 files, 400.0 kB, of which 0 bytes came now\n");
    CHECK_STR(r.out, path);
    run("pull org/tiny --dry-run --cache /nowhere/at/all --include *");
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.out, "    400.0 kB  missing model.safetensors\n");
    CHECK_HAS(r.out, "    400.0 kB  400.0 kB missing, commit " HUB_SHA "\n");
    end();
}

TEST(pull_refuses_with_a_sentence_and_its_code)
{
    begin();
    run("pull");
    check_refused(2, "0 arguments given");
    run("pull ../x");
    check_refused(2, "'../x' names no repository");
    run("pull org/tiny --connections 0");
    check_refused(2, "--connections is 0, wanted is 1 to 16");
    run("pull org/tiny --timeout 0");
    check_refused(2, "--timeout is 0");
    run("pull org/tiny --endpoint ftp://127.0.0.1");
    check_refused(1, "only http and https");
    run("pull org/none");
    check_refused(1, "org/none: http://127.0.0.1:");
    run("pull org/tiny --include *.gguf");
    check_refused(1, "none of its 2 files is asked for");
    CHECK_INT(scratch_count(scratch_dir), 0);
    setenv("HF_HUB_OFFLINE", "1", 1);
    int before = hub->web.n_log;
    run("pull org/tiny");
    check_refused(2, "HF_HUB_OFFLINE is set");
    CHECK_INT(hub->web.n_log, before);
    end();
}

TEST(the_token_of_the_environment_is_sent_and_never_shown)
{
    begin();
    hub->token = "hf_secret";
    run("pull org/tiny");
    check_refused(1, "set HF_TOKEN to a token");
    setenv("HF_TOKEN", "hf_wrong", 1);
    run("pull org/tiny");
    check_refused(1, "does not take the token");
    CHECK(!strstr(r.said, "hf_wrong"));
    unsetenv("HF_TOKEN");
    scratch_text("token", "hf_secret\n");
    run("pull org/tiny");
    CHECK_INT(r.code, 0);
    CHECK(!strstr(r.said, "hf_secret"));
    end();
}

/* The weights, as far as they have come. */
static const char *begun_path(const hub_server *h)
{
    static char path[300];
    snprintf(path, sizeof path, "hub/models--org--tiny/blobs/%s.incomplete", h->files[1].etag);
    return scratch(path);
}

static void interrupt(hub_server *h)
{
    struct stat st;
    for (int i = 0; i < 500 && !(stat(begun_path(h), &st) == 0 && st.st_size > 0); i++) /* what was sent has arrived */
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    pthread_mutex_lock(&h->web.lock);
    kill(child, SIGINT);
    pthread_mutex_unlock(&h->web.lock);
    nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL); /* the second half comes after its end */
}

TEST(ctrl_c_ends_with_130_and_the_next_pull_goes_on_from_there)
{
    struct stat st;
    begin();
    hub->between = interrupt;
    run("pull org/tiny");
    check_refused(130, "stopped by the user");
    CHECK(access(scratch("hub/models--org--tiny/snapshots"), F_OK) != 0);
    CHECK(stat(begun_path(hub), &st) == 0 && st.st_size > 0 && st.st_size < SIZE);
    int before = hub->store.n_log;
    run("pull org/tiny");
    CHECK_INT(r.code, 0);
    CHECK_INT(hub->store.log[before].first, st.st_size);
    CHECK(holds("model.safetensors", weights, SIZE));
    end();
}

TEST(a_killed_pull_leaves_nothing_that_looks_whole)
{
    begin();
    hub->cut_pause_ms = 1;
    for (int ms = 15; ms < 100; ms += 20) {
        char path[300];
        pid_t pid = fork();
        if (pid == 0) {
            int nowhere = open("/dev/null", O_WRONLY);
            dup2(nowhere, STDOUT_FILENO);
            dup2(nowhere, STDERR_FILENO);
            execl(tailor, tailor, "pull", "org/tiny", (char *)NULL);
            _exit(98);
        }
        nanosleep(&(struct timespec){ .tv_nsec = 1000000L * ms }, NULL);
        kill(pid, SIGKILL);
        CHECK(waitpid(pid, NULL, 0) == pid);
        snprintf(path, sizeof path, "hub/models--org--tiny/blobs/%s", hub->files[1].etag);
        struct stat st;
        if (stat(scratch(path), &st) == 0) CHECK_INT(st.st_size, SIZE);
        if (access(scratch("hub/models--org--tiny/refs/main"), F_OK) == 0)
            CHECK(holds("model.safetensors", weights, SIZE));
    }
    run("pull org/tiny");
    CHECK_INT(r.code, 0);
    CHECK(holds("model.safetensors", weights, SIZE));
    end();
}

TEST(a_full_disk_is_one_sentence)
{
    begin();
    run_with("pull org/tiny", 100000, 0);
    check_refused(1, "writing it failed after 100000 of 400000 bytes");
    run("pull org/tiny");
    CHECK_INT(r.code, 0);
    CHECK(holds("model.safetensors", weights, SIZE));
    end();
}

TEST(a_narrow_terminal_shows_one_line_that_fits)
{
    begin();
    hub->cut_pause_ms = 25;
    run_with("pull org/tiny", 0, COLUMNS);
    CHECK_INT(r.code, 0);
    CHECK_HAS(r.said, "\r\033[Kpull ");
    CHECK_HAS(r.said, "/400  kB  model.safetensors");
    int drawn = 0;
    for (const char *p = r.said; (p = strstr(p, "\r\033[K")); drawn++) {
        p += 4;
        CHECK(strcspn(p, "\r\n") < COLUMNS);
    }
    CHECK(drawn >= 3);
    /* What is said at the end has a line of its own. */
    CHECK_HAS(r.said, "\npull: 2 files, 400.0 kB, of which 400.0 kB came now");
    end();
}

TEST(a_wait_is_told_in_a_line_of_its_own)
{
    begin();
    hub->fail_at = "/api/";
    hub->fails = 1;
    hub->status = 429;
    hub->fail_headers = "Retry-After: 2\r\n";
    run("pull org/tiny");
    CHECK_INT(r.code, 0);
    CHECK(strncmp(r.said, "pull: answered 429 Too Many Requests; trying again in 2 s\n", 58) == 0);
    end();
}

TEST(what_was_pulled_is_a_base_by_its_name)
{
    tl_err err;
    static const char *const names[] = { "config.json", "model.safetensors" };
    tl_buf files[2] = { tl_buf_make(1 << 20), tl_buf_make(1 << 20) };
    char logits[20000];
    begin();
    hub->n = 0;
    for (int i = 0; i < 2; i++) {
        char path[200];
        snprintf(path, sizeof path, GOLDEN "/%s", names[i]);
        CHECK_OK(tl_file_read(path, 1 << 20, &files[i], &err), err);
        hub_add(hub, names[i], files[i].data, files[i].size, i == 1);
    }
    run("logits --model org/tiny --tokens 1,2,3");
    check_refused(1, "not in the cache");
    CHECK_HAS(r.said, "org/tiny: No such file or directory");
    CHECK_HAS(r.said, "`tailor pull org/tiny` downloads");
    CHECK_INT(hub->web.n_log, 0); /* and it stays at that */
    run("pull org/tiny");
    CHECK_INT(r.code, 0);
    int asked = hub->web.n_log;
    run("logits --model " GOLDEN " --tokens 1,2,3");
    CHECK_INT(r.code, 0);
    snprintf(logits, sizeof logits, "%s", r.out);
    run("logits --model org/tiny --tokens 1,2,3");
    CHECK_STR(r.said, "");
    CHECK_STR(r.out, logits);
    run("inspect org/tiny");
    CHECK_HAS(r.out, "what                      base");
    run("inspect org/tiny/model.safetensors");
    CHECK_HAS(r.out, "what                      safetensors");
    run("logits --model org/tiny/other.gguf --tokens 1,2,3");
    check_refused(1, "org/tiny/other.gguf: No such file or directory, and not in the cache");
    CHECK_INT(hub->web.n_log, asked);
    for (int i = 0; i < 2; i++) tl_buf_reset(&files[i]);
    end();
}

RUN_TESTS(CASE(pull_prints_the_snapshot_and_says_what_came), CASE(pull_refuses_with_a_sentence_and_its_code),
          CASE(the_token_of_the_environment_is_sent_and_never_shown),
          CASE(ctrl_c_ends_with_130_and_the_next_pull_goes_on_from_there),
          CASE(a_killed_pull_leaves_nothing_that_looks_whole), CASE(a_full_disk_is_one_sentence),
          CASE(a_narrow_terminal_shows_one_line_that_fits), CASE(a_wait_is_told_in_a_line_of_its_own),
          CASE(what_was_pulled_is_a_base_by_its_name))
