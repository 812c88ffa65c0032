// What every kernel file begins with: types, the widths of the model as constants, rows of a matrix in a warp.
//
// Compiled by NVRTC without any header, and by a C++ compiler over emulator/shim.h, which then defines what is CUDA's
// own. HIDDEN, HEADS, HEAD, WIDE, POSITIONS, LABELS and ACTIVATION are given by the compiler's options, and REPRO_BF16
// where activations are bfloat16 instead of 32-bit floats. All arithmetic is in 32-bit floats; no fast-math.

#ifndef REPRO_EMULATED
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
#define DEVICE static __device__ __forceinline__
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)
// Shared memory of the size given at the launch, as an array.
extern __shared__ __align__(16) u8 shared_bytes[];
#define SHARED(type, name) type* name = (type*)shared_bytes
DEVICE float infinity() { return __int_as_float(0x7f800000); }
// Two floats to two bfloat16, rounded to nearest even; `low` in the low half.
DEVICE u32 pack(float low, float high) {
    u32 both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}
#endif

#define WARP 32
#define ALL_LANES 0xffffffffu

DEVICE float low_half(u32 both) { return __uint_as_float(both << 16); }
DEVICE float high_half(u32 both) { return __uint_as_float(both & 0xffff0000u); }

// `real` is what activations are kept in.
#ifdef REPRO_BF16
typedef u16 real;
DEVICE float widen(real x) { return low_half(x); }
DEVICE real narrow(float x) { return (real)pack(x, 0.0f); }
#else
typedef float real;
DEVICE float widen(real x) { return x; }
DEVICE real narrow(float x) { return x; }
#endif

// What changes from step to step; a captured graph reads it here. engine/fast/cuda/batch.rs writes it.
struct Step {
    u32 key[2];         // of the dropout stream
    u32 step;           // step number
    u32 tokens;         // T: rows that exist
    u32 sequences;      // B
    u32 tiles;          // entries of the list of attention tiles
    u32 words;          // distinct token ids
    float loss_scale;   // 1 / sequences of the whole step
    u64 first_token;    // index within the step of this part's first token
    u64 first_sequence; // and sequence
};

struct __align__(16) Four { u32 v[4]; };
struct __align__(8) Two { u32 v[2]; };

// COUNT neighbouring values as floats, 16 bytes at a time where COUNT allows.
template <int COUNT> DEVICE void load(const float* from, float* to) {
    if (COUNT % 4 == 0) {
#pragma unroll
        for (int at = 0; at < COUNT; at += 4) {
            Four four = *(const Four*)(from + at);
#pragma unroll
            for (int i = 0; i < 4; ++i) to[at + i] = __uint_as_float(four.v[i]);
        }
    } else {
#pragma unroll
        for (int at = 0; at < COUNT; ++at) to[at] = from[at];
    }
}

template <int COUNT> DEVICE void load(const u16* from, float* to) {
    if (COUNT % 8 == 0) {
#pragma unroll
        for (int at = 0; at < COUNT; at += 8) {
            Four four = *(const Four*)(from + at);
#pragma unroll
            for (int i = 0; i < 4; ++i) to[at + 2 * i] = low_half(four.v[i]), to[at + 2 * i + 1] = high_half(four.v[i]);
        }
    } else if (COUNT == 4) {
        Two two = *(const Two*)from;
#pragma unroll
        for (int i = 0; i < 2; ++i) to[2 * i] = low_half(two.v[i]), to[2 * i + 1] = high_half(two.v[i]);
    } else {
#pragma unroll
        for (int at = 0; at < COUNT; ++at) to[at] = low_half(from[at]);
    }
}

template <int COUNT> DEVICE void store(float* to, const float* from) {
    if (COUNT % 4 == 0) {
#pragma unroll
        for (int at = 0; at < COUNT; at += 4) {
            Four four;
#pragma unroll
            for (int i = 0; i < 4; ++i) four.v[i] = __float_as_uint(from[at + i]);
            *(Four*)(to + at) = four;
        }
    } else {
#pragma unroll
        for (int at = 0; at < COUNT; ++at) to[at] = from[at];
    }
}

template <int COUNT> DEVICE void store(u16* to, const float* from) {
    if (COUNT % 8 == 0) {
#pragma unroll
        for (int at = 0; at < COUNT; at += 8) {
            Four four;
#pragma unroll
            for (int i = 0; i < 4; ++i) four.v[i] = pack(from[at + 2 * i], from[at + 2 * i + 1]);
            *(Four*)(to + at) = four;
        }
    } else if (COUNT == 4) {
        Two two;
#pragma unroll
        for (int i = 0; i < 2; ++i) two.v[i] = pack(from[2 * i], from[2 * i + 1]);
        *(Two*)to = two;
    } else {
#pragma unroll
        for (int at = 0; at < COUNT; ++at) to[at] = (u16)pack(from[at], 0.0f);
    }
}

DEVICE float warp_sum(float x) {
#pragma unroll
    for (int apart = WARP / 2; apart > 0; apart /= 2) x += __shfl_xor_sync(ALL_LANES, x, apart);
    return x;
}

DEVICE float warp_max(float x) {
#pragma unroll
    for (int apart = WARP / 2; apart > 0; apart /= 2) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, apart));
    return x;
}
