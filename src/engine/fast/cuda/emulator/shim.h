// Enough of CUDA for a C++ compiler to run the kernels of this folder on a CPU, one block after another.
//
// Every thread of a block is a fiber, so that barriers and warp exchanges are real: a fiber that waits gives way to the
// next. The order in which fibers run can be reversed (`repro_reverse`): a kernel whose outcome then changes lacks a
// barrier. Shared memory is filled with NaN before each block. Tensor core operands and ldmatrix are written down here a
// second time, from the tables of the PTX ISA, element by element.
#include <csetjmp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <utility>
#include <type_traits>

#define REPRO_EMULATED
#define DEVICE static inline
#define KERNEL(threads) extern "C" void
#define __align__(n) __attribute__((aligned(n)))
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct Dim { u32 x, y, z; };
static Dim threadIdx, blockIdx, blockDim, gridDim;
static const u32 MOST_THREADS = 1024, STACK = 256 * 1024, MOST_SHARED = 256 * 1024;
alignas(16) static u8 shared_space[MOST_SHARED];
#define SHARED(type, name) type* name = (type*)shared_space

static inline float __uint_as_float(u32 x) { float y; memcpy(&y, &x, 4); return y; }
static inline u32 __float_as_uint(float x) { u32 y; memcpy(&y, &x, 4); return y; }
static inline float infinity() { return INFINITY; }

// Round to nearest even, NaN kept quiet.
static inline u32 to_bfloat16(float x) {
    u32 bits = __float_as_uint(x);
    if (x != x) return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
static inline u32 pack(float low, float high) { return to_bfloat16(low) | to_bfloat16(high) << 16; }

struct Fiber { ucontext_t context; jmp_buf place; u8* stack; bool begun, done; };
struct Barrier { u32 arrived, generation; };
struct Exchange { Barrier barrier; u32 slots[2][32][8]; };
static Fiber fibers[MOST_THREADS];
static ucontext_t scheduler;
static jmp_buf home;
static u32 current, threads, progress;
static Barrier block_barrier;
static Exchange exchanges[MOST_THREADS / 32];
static void (*body)(void*);
static void* body_argument;

// Back to the scheduler, until it resumes this fiber. After its first switch a fiber moves by jumps: they save no signal
// mask, which would be a system call.
static void give_way(u32 self) {
    if (_setjmp(fibers[self].place) == 0) _longjmp(home, 1);
}

static void arrive(Barrier& barrier, u32 expected) {
    u32 generation = barrier.generation;
    if (++barrier.arrived == expected) {
        barrier.arrived = 0;
        ++barrier.generation;
        ++progress;
        return;
    }
    u32 self = current;
    while (*(volatile u32*)&barrier.generation == generation) give_way(self);
}

static u32 lanes_of(u32 warp) { return threads - warp * 32 < 32 ? threads - warp * 32 : 32; }
static void __syncthreads() { arrive(block_barrier, threads); }

// Shows every lane of the warp `count` words of every other lane.
static const u32 (*exchange(const u32* own, u32 count))[8] {
    u32 warp = current / 32;
    Exchange& shared = exchanges[warp];
    u32 side = shared.barrier.generation & 1;
    for (u32 i = 0; i < count; ++i) shared.slots[side][current % 32][i] = own[i];
    arrive(shared.barrier, lanes_of(warp));
    return shared.slots[side];
}

static void __syncwarp() { u32 none = 0; exchange(&none, 0); }
static inline u32 __shfl_xor_sync(u32, u32 x, int apart) { return exchange(&x, 1)[(current % 32) ^ apart][0]; }
static inline float __shfl_xor_sync(u32 all, float x, int apart) {
    return __uint_as_float(__shfl_xor_sync(all, __float_as_uint(x), apart));
}

static float half_of(u32 word, u32 which) { return __uint_as_float(which ? word & 0xffff0000u : word << 16); }

// A: row g + 8 for registers 1 and 3, column 2t + 8 for registers 2 and 3. B: row 2t + 8 for register 1.
static void mma(float* sum, const u32* a, const u32* b) {
    u32 own[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    const u32(*all)[8] = exchange(own, 6);
    u32 lane = current % 32;
    for (u32 i = 0; i < 4; ++i) {
        u32 row = lane / 4 + (i >= 2 ? 8 : 0), column = lane % 4 * 2 + i % 2;
        float total = 0.0f;
        for (u32 k = 0; k < 16; ++k) {
            u32 of_a = all[row % 8 * 4 + k % 8 / 2][(row >= 8 ? 1 : 0) + (k >= 8 ? 2 : 0)];
            u32 of_b = all[column * 4 + k % 8 / 2][4 + (k >= 8 ? 1 : 0)];
            total += half_of(of_a, k % 2) * half_of(of_b, k % 2);
        }
        sum[i] += total;
    }
}

static void matrices(u32* to, const u16* row, bool transposed) {
    u64 address = (u64)row;
    if (address % 16 != 0) fprintf(stderr, "ldmatrix: an address is not a multiple of 16\n"), abort();
    u32 own[2] = {(u32)address, (u32)(address >> 32)};
    const u32(*all)[8] = exchange(own, 2);
    u32 lane = current % 32;
    for (u32 matrix = 0; matrix < 4; ++matrix) {
        u16 pair[2];
        for (u32 i = 0; i < 2; ++i) {
            u32 at_row = transposed ? lane % 4 * 2 + i : lane / 4, at_column = transposed ? lane / 4 : lane % 4 * 2 + i;
            const u32* words = all[matrix * 8 + at_row];
            pair[i] = ((const u16*)((u64)words[0] | (u64)words[1] << 32))[at_column];
        }
        to[matrix] = pair[0] | (u32)pair[1] << 16;
    }
}
static void ldmatrix(u32* to, const u16* row) { matrices(to, row, false); }
static void ldmatrix_transposed(u32* to, const u16* row) { matrices(to, row, true); }

static void entry() {
    u32 self = current;
    body(body_argument);
    fibers[self].done = true;
    ++progress;
    _longjmp(home, 1);
}

static void prepare(u32 index) {
    Fiber& fiber = fibers[index];
    if (!fiber.stack) fiber.stack = (u8*)malloc(STACK);
    fiber.begun = fiber.done = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = &scheduler;
    makecontext(&fiber.context, entry, 0);
}

static void resume(u32 index) {
    current = index;
    threadIdx = {index % blockDim.x, index / blockDim.x, 0};
    if (_setjmp(home) != 0) return;
    if (fibers[index].begun) _longjmp(fibers[index].place, 1);
    fibers[index].begun = true;
    setcontext(&fibers[index].context);
}

// Runs one block; false where its threads wait for each other for ever.
static bool run_block(bool reverse) {
    block_barrier = {0, 0};
    memset(exchanges, 0, sizeof exchanges);
    memset(shared_space, 0xff, sizeof shared_space);
    for (u32 index = 0; index < threads; ++index) prepare(index);
    for (u32 left = threads; left > 0;) {
        u32 before = progress;
        left = 0;
        for (u32 at = 0; at < threads; ++at) {
            u32 index = reverse ? threads - 1 - at : at;
            if (fibers[index].done) continue;
            resume(index);
            left += !fibers[index].done;
        }
        if (left > 0 && progress == before) return false;
    }
    return true;
}

static int run_grid(const u32* grid, u32 block, int reverse, void (*kernel)(void*), void* argument) {
    body = kernel, body_argument = argument;
    gridDim = {grid[0], grid[1], 1}, blockDim = {block, 1, 1}, threads = block;
    for (u32 y = 0; y < grid[1]; ++y)
        for (u32 x = 0; x < grid[0]; ++x) {
            blockIdx = {reverse ? grid[0] - 1 - x : x, reverse ? grid[1] - 1 - y : y, 0};
            if (!run_block(reverse)) return 1;
        }
    return 0;
}

template <class... A> struct Call {
    void (*kernel)(A...);
    void** arguments;
    template <size_t... I> void spread(std::index_sequence<I...>) {
        kernel(*(std::remove_cv_t<A>*)arguments[I]...);
    }
    static void run(void* self) { ((Call*)self)->spread(std::index_sequence_for<A...>()); }
};
template <class... A>
static int emulate(void (*kernel)(A...), const u32* grid, u32 block, int reverse, void** arguments) {
    Call<A...> call = {kernel, arguments};
    return run_grid(grid, block, reverse, Call<A...>::run, &call);
}

// One function for each kernel, found by name.
#define EMULATED(name)                                                                                                 \
    extern "C" int emulated_##name(const u32* grid, u32 block, int reverse, void** arguments) {                       \
        return emulate(name, grid, block, reverse, arguments);                                                        \
    }
