# openr1: `make demo` and `make test` do everything from a bare machine; CMake and Ninja do the work below.
BUILD ?= build
CMAKE_FLAGS ?=
PREFIX ?= /usr/local

.PHONY: all build demo test arm64 asan fuzz bench lint install clean

all: build

build:
	@sh tools/setup
	@cmake -S . -B $(BUILD) -G Ninja $(CMAKE_FLAGS) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD)

demo: build
	$(BUILD)/openr1 demo $(DEMO_FLAGS)

test:
	@sh tools/setup test
	@$(MAKE) --no-print-directory build
	ctest --test-dir $(BUILD) --output-on-failure -j2

# The same program for AArch64, to be run by qemu-aarch64; tests/e2e/bits_arm64.sh uses it where it can be built.
arm64:
	@cmake -S . -B build-arm64 -G Ninja -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake -DOPENR1_TESTS=OFF
	@cmake --build build-arm64

# The sanitizer's own strstr measures the whole text at each call, which would make linear searches quadratic.
asan:
	@sh tools/setup
	cmake -S . -B build-asan -G Ninja -DOPENR1_SANITIZE=ON
	cmake --build build-asan
	ASAN_OPTIONS=allocator_may_return_null=1:intercept_strstr=0 ctest --test-dir build-asan --output-on-failure -j2

fuzz:
	@sh tools/setup lint
	CC=clang cmake -S . -B build-fuzz -G Ninja -DOPENR1_FUZZ=ON -DOPENR1_TESTS=OFF
	cmake --build build-fuzz
	sh tools/fuzz build-fuzz

bench: build
	$(BUILD)/openr1_bench
	$(BUILD)/openr1_steps
	$(BUILD)/openr1_sandbox
	bench/compare --build $(BUILD)

lint: build
	sh tools/lint $(BUILD)

install: build
	cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf build build-asan build-fuzz build-arm64
