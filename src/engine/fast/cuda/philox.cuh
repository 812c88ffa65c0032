// Dropout masks from the counter-based stream: exactly those of src/random.rs and src/engine/dropout.rs.
//
// Philox 4x32-10. The counter is (index / 4, its upper half, step, site), the key that of the seed's dropout stream;
// word index % 4 of the block belongs to the index. A value is kept where its word is at least the threshold.

struct Words { u32 w[4]; };

DEVICE Words philox(u32 c0, u32 c1, u32 c2, u32 c3, u32 k0, u32 k1) {
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        u64 left = (u64)c0 * 0xD2511F53u;
        u64 right = (u64)c2 * 0xCD9E8D57u;
        c0 = (u32)(right >> 32) ^ c1 ^ k0;
        c2 = (u32)(left >> 32) ^ c3 ^ k1;
        c1 = (u32)right;
        c3 = (u32)left;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    Words words;
    words.w[0] = c0, words.w[1] = c1, words.w[2] = c2, words.w[3] = c3;
    return words;
}

// The words of indices 4 block … 4 block + 3.
DEVICE Words draw(const Step* step, u32 site, u64 block) {
    return philox((u32)block, (u32)(block >> 32), step->step, site, step->key[0], step->key[1]);
}

// One site of dropout; a threshold of 0 keeps everything.
struct Dropout {
    u32 site;
    u32 threshold;
    float keep;
};

// The mask values of COUNT neighbouring indices. COUNT is a multiple of 4 only where `first` always is.
template <int COUNT> DEVICE void mask(const Step* step, const Dropout& dropout, u64 first, float* values) {
    if (COUNT % 4 == 0) {
#pragma unroll
        for (int at = 0; at < COUNT; at += 4) {
            Words words = draw(step, dropout.site, first / 4 + at / 4);
#pragma unroll
            for (int i = 0; i < 4; ++i) values[at + i] = words.w[i] >= dropout.threshold ? dropout.keep : 0.0f;
        }
    } else {
#pragma unroll
        for (int at = 0; at < COUNT; ++at) {
            u64 index = first + at;
            Words words = draw(step, dropout.site, index / 4);
            u32 lane = (u32)(index % 4);
            u32 word = lane == 0 ? words.w[0] : lane == 1 ? words.w[1] : lane == 2 ? words.w[2] : words.w[3];
            values[at] = word >= dropout.threshold ? dropout.keep : 0.0f;
        }
    }
}

// Multiplies values by the mask, where there is one.
template <int COUNT> DEVICE void drop(const Step* step, const Dropout& dropout, u64 first, float* values) {
    if (dropout.threshold == 0) return;
    float factors[COUNT];
    mask<COUNT>(step, dropout, first, factors);
#pragma unroll
    for (int at = 0; at < COUNT; ++at) values[at] *= factors[at];
}
