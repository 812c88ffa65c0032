// Both Adams in one pass over the flat buffers: the formula of src/engine/adam.rs.
//
//   g ← clip g;  m ← β1 m + (1 - β1) g;  v ← β2 v + (1 - β2) g²;  p ← p (1 - lr wd) - rate m / (√v / c + ε)
//
// Grid: a thread owns 4 neighbouring values: 16 bytes read of each of p, g, m, v and written of p, m, v, the gradient set
// to zero and, where compute is bfloat16, p's copy written, all in the same pass. Which of the two sets of scalars holds
// (decayed or not) is one byte for 16 values, the layout's alignment.

struct Constants {
    float beta1, beta2, rest1, rest2, epsilon, rate, second_correction, shrink;
};

struct Moves {
    Constants plain, decayed;
    double max_grad_norm;
};

KERNEL(256) adam(float* values, float* gradients, float* first, float* second, u16* copy, const u8* decays,
                 const Moves* moves, const float* clip, u32 quads) {
    u32 quad = blockIdx.x * 256 + threadIdx.x;
    if (quad >= quads) return;
    u64 at = (u64)quad * 4;
    const Constants& with = decays[quad / 4] ? moves->decayed : moves->plain;
    float p[4], g[4], m[4], v[4], zero[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    load<4>(values + at, p);
    load<4>(gradients + at, g);
    load<4>(first + at, m);
    load<4>(second + at, v);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        float gradient = g[i] * *clip;
        m[i] = with.beta1 * m[i] + with.rest1 * gradient;
        v[i] = with.beta2 * v[i] + with.rest2 * gradient * gradient;
        float root = sqrtf(v[i]) / with.second_correction + with.epsilon;
        p[i] = p[i] * with.shrink - with.rate * m[i] / root;
    }
    store<4>(values + at, p);
    store<4>(first + at, m);
    store<4>(second + at, v);
    store<4>(gradients + at, zero);
#ifdef REPRO_BF16
    store<4>(copy + at, p);
#endif
}
