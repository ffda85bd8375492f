# tailor - one plain Makefile.
#
#   make              build build/tailor and build/libtailor.a
#   make demo         install what is missing, build, compare the methods on the shipped task
#   make test         install what is missing, build, run every test
#   make lint         clang-format, clang-tidy, cppcheck (scripts/setup --dev installs them)
#   make fuzz         libFuzzer over every reader of strangers' files, FUZZ_SECONDS=60 each
#   make bench        speed and memory against this machine's ceilings, and peers where they are (bench/README.md)
#   make parity       live comparison with tokenizers, transformers and peft (Python, tests/parity)
#   make install      program, library, headers and pkg-config file under PREFIX
#   make SAN=address,undefined test     the tests under sanitizers, in a build folder of their own
#   make CC=clang-14                    another compiler, likewise

CC      = gcc
PREFIX  = /usr/local
SAN     =
BUILD  := build$(if $(filter-out gcc,$(CC)),/$(notdir $(CC)))$(if $(SAN),/san)

PKGS    = jansson libcyaml libpcre2-8 libutf8proc libcrypto
LOADED  = libcurl# its headers alone: src/io/http_curl.c loads it at run time
WARN    = -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wwrite-strings -Wundef
CFLAGS  = -O2 -g
ALLCFLAGS = -std=gnu11 $(CFLAGS) $(WARN) -ffp-contract=off -fno-math-errno -fopenmp -I. -Isrc -Iinclude \
            $(shell pkg-config --cflags $(PKGS) $(LOADED) 2>/dev/null) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
LIBS    = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm

# The kernels of src/backend/cpu are one source, compiled once per instruction set.
ISA_avx2   = -DTL_ISA=avx2 -mavx2 -mfma -mf16c -O3
ISA_avx512 = -DTL_ISA=avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mavx512vnni -mfma -mprefer-vector-width=512 -O3
ISA_amx    = $(subst avx512 -mavx512f,amx -mavx512f,$(ISA_avx512)) -mamx-tile -mamx-bf16

SRC     := $(filter-out %_test.c,$(shell find src -name '*.c' | sort))
CPU     := $(filter src/backend/cpu/%,$(SRC))
LIBSRC  := $(filter-out src/cmd/% $(CPU),$(SRC))
CMD     := $(filter src/cmd/%,$(SRC))
GEN     := $(shell find tools/generate -name '*.c' | sort)
BENCH   := $(filter-out %_test.c,$(shell find bench -name '*.c' | sort))
TESTSRC := $(shell find src tests tools bench -name '*_test.c' | sort)

BENCHOBJ = $(patsubst %.c,$(BUILD)/%.o,$(filter-out bench/main.c,$(BENCH)))
LIBOBJ  := $(LIBSRC:%.c=$(BUILD)/%.o) $(foreach isa,avx2 avx512 amx,$(CPU:%.c=$(BUILD)/$(isa)/%.o))
TESTS   := $(foreach t,$(TESTSRC),$(BUILD)/tests/$(notdir $(t:.c=)))

all: $(BUILD)/tailor $(if $(GEN),$(BUILD)/tailor-generate)

$(BUILD)/libtailor.a: $(LIBOBJ)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/tailor: $(CMD:%.c=$(BUILD)/%.o) $(BUILD)/libtailor.a
	@echo "  LINK $@"
	@$(CC) $(ALLCFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/tailor-generate: $(GEN:%.c=$(BUILD)/%.o) $(BUILD)/libtailor.a
	@echo "  LINK $@"
	@$(CC) $(ALLCFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/bench/bench: $(BENCH:%.c=$(BUILD)/%.o) $(BUILD)/libtailor.a
	@echo "  LINK $@"
	@$(CC) $(ALLCFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(ALLCFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/avx2/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(ALLCFLAGS) $(ISA_avx2) -MMD -MP -c -o $@ $<

$(BUILD)/avx512/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(ALLCFLAGS) $(ISA_avx512) -MMD -MP -c -o $@ $<

$(BUILD)/amx/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $@"
	@$(CC) $(ALLCFLAGS) $(ISA_amx) -MMD -MP -c -o $@ $<

# A test program is one *_test.c and the library; its name is that of the file.
define test_rule
$(BUILD)/tests/$(notdir $(1:.c=)): $(BUILD)/$(1:.c=.o) $(if $(filter bench/%,$(1)),$(BENCHOBJ)) $(BUILD)/libtailor.a
	@mkdir -p $$(@D)
	@echo "  LINK $$@"
	@$(CC) $(ALLCFLAGS) -o $$@ $$^ $$(LIBS) -lcmocka
endef
$(foreach t,$(TESTSRC),$(eval $(call test_rule,$(t))))
# Its server speaks TLS; the program itself has that from libcurl, which is loaded at run time.
$(BUILD)/tests/http_test: LIBS += -lssl
# It runs the program.
$(BUILD)/tests/cmd_pull_test: | $(BUILD)/tailor

setup:
	@scripts/setup

# The build starts after the set-up, in a make of its own: pkg-config must see what was just installed.
demo: setup
	@$(MAKE) --no-print-directory -j2 all
	@scripts/demo

test: setup
	@$(MAKE) --no-print-directory -j2 all tests
	@BUILD=$(BUILD) scripts/run-tests

tests: $(TESTS) $(BUILD)/bench/bench

lint:
	@scripts/lint

fuzz:
	@BUILD=$(BUILD) scripts/fuzz

# ARGS="--json", "--rows decode", "--quick", "--python build/bench/venv/bin/python", "--llama-bench PATH"
bench: all $(BUILD)/bench/bench
	@TAILOR_COMMIT=$$(git rev-parse --short HEAD 2>/dev/null) $(BUILD)/bench/bench $(ARGS)

parity: all
	@BUILD=$(BUILD) scripts/parity

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/tailor
	install $(BUILD)/tailor $(DESTDIR)$(PREFIX)/bin/tailor
	install -m 644 $(BUILD)/libtailor.a $(DESTDIR)$(PREFIX)/lib/libtailor.a
	sed 's|@PREFIX@|$(PREFIX)|' scripts/tailor.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/tailor.pc
	install -m 644 include/tailor.h $(DESTDIR)$(PREFIX)/include/tailor/tailor.h
	cd src && for h in $$(find . -name '*.h' ! -path './cmd/*' ! -path './backend/cpu/*' ! -path './backend/ref/*'); do \
	    install -D -m 644 $$h $(DESTDIR)$(PREFIX)/include/tailor/$$h; done

clean:
	rm -rf build

.PHONY: all setup demo test tests lint fuzz bench parity install clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
