// The copy of the parameters that matrix products read where compute is bfloat16; adam.cu renews it afterwards.
//
// Grid: a thread owns 4 neighbouring values, read once and written once.

KERNEL(256) cast(const float* values, u16* copy, u32 quads) {
    u32 quad = blockIdx.x * 256 + threadIdx.x;
    if (quad >= quads) return;
    float p[4];
    load<4>(values + (u64)quad * 4, p);
    store<4>(copy + (u64)quad * 4, p);
}
