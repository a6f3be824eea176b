"""Names of kernels and calls, as published kernel tables, TensorRT, torch and onnxruntime have them."""

import pytest

from trtbench.trace.taxonomy import architecture_of, category_of, cause_of_call, format_of, is_older

ELEMENTWISE = "void at::native::vectorized_elementwise_kernel<8, at::native::"
NAMES = {
    # TensorRT and Myelin on Blackwell.
    "cutlass3x_sm120_bstensorop_s16864gemm_block_scaled_ue4m3xe2m1_ue4m3xe2m1_f32_vs16": "gemm fp4 sm120",
    "cutlass3x_sm120_bstensorop_s16832gemm_block_scaled_ue8m0xe4m3_ue8m0xe4m3_f32": "gemm mxfp8 sm120",
    "cutlass3x_sm100_bstensorop_s256x128x64gemm_block_scaled_ue4m3xf4_ue4m3xf4": "gemm fp4 sm100",
    "sm80_xmma_gemm_f16f16_f16f16_f16_tn_n_tilesize128x128x64_stage3": "gemm fp16 sm80",
    "sm80_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x64_stage3": "gemm fp16 sm80",
    "sm80_xmma_gemm_f32f32_tf32f32_f32_nn_n_tilesize32x32x64_stage3": "gemm tf32 sm80",
    "sm80_xmma_sparse_gemm_f16f16_f16f32_f32_nt_n_tilesize128x128x64_sptensor16x8x32": "gemm fp16 sm80",
    "_gemm_mha_v2_0x7a7f730aa13a1732a858a0fdd3d4d241": "attention",
    "_gemv_mha_v1": "attention",
    "__myl_Dyna_myl0_4": "quantize",
    "__myl_AddAddCastMeanSubMulMean_myl0_7": "norm",
    "__myl_AddSqrtDivMulCastMulAddSlic_myl0_8": "norm",
    "__myl_AddDivCastErfCastAddMulMulMulCast_myl0_9": "gelu",
    "__myl_FcAdd_myl0_1": "gemm",
    "__myl_ConcReshReshMove_myl0_2": "reformat",
    "__myl_ReplCastMulCast_myl0_5": "pointwise",
    "__myl_AddReshTranReshMove_myl0_6": "pointwise",
    # Layers of a profile.
    "__mye7927+__mye7915+__mye7903_myl0_3": "gemm",
    "/patch_embed/proj/Conv_myl0_1": "conv",
    "/blocks/blocks.0/mlp/fc1/MatMul_myl0_22": "gemm",
    "PWN(/blocks/blocks.0/Add)": "pointwise",
    "Reformatting CopyNode for Input Tensor 0 to /patch_embed/proj/Conv": "reformat",
    # torch, eager and compiled.
    "nvjet_sm90_hsh_192x192_64x4_2x1_v_bz_coopB_bias_TNN": "gemm fp16 sm90",
    "void implicit_convolve_sgemm<__half, __half, 128, 5, 5, 3, 3, 3, 1, false, false, true>": "conv fp16",
    "void cutlass__5x_cudnn::Kernel<cutlass_tensorop_f16_s16816fprop_optimized_f16_128x64>": "conv fp16",
    "nvjet_hsh_128x192_64x5_2x1_v_bz_coopA_bias_TNT": "gemm fp16",
    "nvjet_tst_192x192_64x4_2x1_v_bz_coopB_bias_TNT": "gemm bf16",
    "nvjet_sm100_qqtst_128x256_128x6_2x1_2cta_v_bz_TNT": "gemm fp8 sm100",
    "sm90_xmma_gemm_f16f16_f16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1_cublas": "gemm fp16 sm90",
    "void cutlass::Kernel2<cutlass_80_tensorop_f16_s16816gemm_relu_f16_256x128_32x3_tn>": "gemm fp16 sm80",
    "void cutlass::device_kernel<flash::enable_sm90<flash::FlashAttnFwdSm90>>": "attention sm90",
    "void cublasLt::splitKreduce_kernel<32, 16, int, __half, float>": "gemm fp16",
    "void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<64, cutlass::half_t>>": "attention fp16",
    "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_f16_knob_7_64x64x64": "attention sm90",
    "fmha_cutlassF_f16_aligned_64x64_rf_sm80(PyTorchMemEffAttention)": "attention fp16 sm80",
    "sm80_xmma_fprop_implicit_gemm_f16f16_f16f32_f32_nhwckrsc_nhwc_tilesize128x128x64": "conv fp16 sm80",
    "void cudnn::engines_precompiled::nchwToNhwcKernel<__half, __half, float>": "reformat",
    "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::Half, float>": "norm",
    ELEMENTWISE + "GeluCUDAKernelImpl(at::TensorIteratorBase&, at::native::GeluType)>": "gelu",
    ELEMENTWISE + "CUDAFunctor_add<c10::Half>, std::array<char*, 3ul>>": "pointwise",
    ELEMENTWISE + "BinaryFunctor<c10::Half, c10::Half, c10::Half, MulFunctor<float>>>": "pointwise",
    ELEMENTWISE + "float8_copy_kernel_cuda(at::TensorIteratorBase&)>": "quantize",
    "void at::native::elementwise_kernel<128, 4, gpu_kernel_impl_nocast<direct_copy_kernel_cuda>>": "copy",
    "void at::native::(anonymous namespace)::CatArrayBatchedCopy_vectorized<OpaqueType<2u>>": "reformat",
    "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, MeanOps<float>>>": "reduction",
    "void at::native::sbtopk::gatherTopK<float, unsigned int, 2, false>": "sort",
    "void at_cuda_detail::cub::DeviceRadixSortOnesweepKernel<Policy900, false, float>": "sort",
    "void at::native::bitonicSortKVInPlace<2, -1, 16, 16, float, long>": "sort",
    "void at::native::_scatter_gather_elementwise_kernel<128, 8>": "reformat",
    "void (anonymous namespace)::softmax_warp_forward<float, float, float, 8, false, false>": "softmax",
    # What compiled models of docs/benchmarks/h200 are made of.
    "triton_per_fused_add_native_layer_norm_view_5": "norm",
    "triton_red_fused_add_cat_convolution_expand_native_layer_nor": "norm",
    "triton_poi_fused_gelu_view_4": "gelu",
    "triton_poi_fused_add_clone_native_layer_norm_select_view_10": "norm",
    "triton_poi_fused_clone_view_3": "reformat",
    "triton_poi_fused_add_2": "pointwise",
    "triton_per_fused__scaled_mm__to_copy_add_clamp_mul_native_layer_norm_t_view_4": "norm",
    "triton_poi_fused__scaled_mm__to_copy_clamp_gelu_mul_t_view_3": "gelu",
    "triton_poi_fused__scaled_mm__to_copy_clamp_mul_t_transpose_view_1": "quantize",
    "nvjet_sm90_qqhsh_192x192_128x4_2x1_v_bz_coopB_bias_TNN": "gemm fp8 sm90",
    "nvjet_sm90_tst_256x144_64x4_2x1_v_bz_coopA_bias_TNT": "gemm bf16 sm90",
    "void at::native::elementwise_kernel<128, 4, gpu_kernel_impl_nocast<CUDAFunctor_add>>": "pointwise",
    "memset32": "copy",
    "memcpy32_post": "copy",
    # onnxruntime.
    "void cutlass::Kernel2<cutlass_75_wmma_tensorop_f16_s161616gemm_f16_32x32_64x2_nn>": "gemm fp16 sm75",
    "void onnxruntime::cuda::BroadcastBiasKernel<__half, int, false>": "pointwise",
    "void onnxruntime::cuda::_SplitKernelSameSplitDim<short>": "reformat",
    "void onnxruntime::cuda::_GatherKernel<short>": "reformat",
    "void onnxruntime::contrib::cuda::SkipLayerNormKernelSmall<__half, 40u, 8, false>": "norm",
    "void op_generic_tensor_kernel<4, __half, float, __half, 256, (cudnnGenericOp_t)0>": "pointwise",
    "void onnxruntime::cuda::cuApplyLayerNorm<__half, float, __half, false>": "norm",
    "void onnxruntime::cuda::_UnaryElementWise<__half, float, OP_Cast<__half, float>>": "reformat",
    "void onnxruntime::cuda::_BinaryElementWise<__half, __half, __half, OP_Add<__half>>": "pointwise",
    "void onnxruntime::cuda::Transpose4DKernelParallelizeOneElementPerThread<2>": "reformat",
    "void onnxruntime::cuda::_UnaryElementWise<__half, __half, onnxruntime::cuda::OP_Gelu<__half>>": "gelu",
    "my_kernel": "other",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_is_known_by_its_name(name: str) -> None:
    category = category_of(name)
    found = (category, format_of(name, category), architecture_of(name))
    assert " ".join(filter(None, found)) == NAMES[name]


@pytest.mark.parametrize(
    ("kernel", "target", "older"),
    [
        ("sm80", "sm120", True),
        ("sm80", "sm90", True),
        ("sm80", "sm89", False),
        ("sm100", "sm90", False),
        ("sm120", "sm121", False),
        (None, "sm120", False),
        ("sm80", None, False),
    ],
)
def test_older_is_by_generation(kernel: str | None, target: str | None, older: bool) -> None:
    assert is_older(kernel, target) == older


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("cudaLaunchKernel", "launch"),
        ("cuLaunchKernelEx", "launch"),
        ("cudaGraphLaunch", "launch"),
        ("cudaStreamSynchronize", "synchronisation"),
        ("cudaEventQuery", "synchronisation"),
        ("cudaMemcpyAsync", "copy calls"),
        ("cudaMemsetAsync", "copy calls"),
        ("cudaMalloc", "allocation"),
        ("cudaMallocAsync", "allocation"),
        ("cudaFree", "allocation"),
        ("cudaHostAlloc", "allocation"),
        ("cudaEventRecord", "other CUDA calls"),
    ],
)
def test_a_call_is_known_by_its_name(name: str, cause: str) -> None:
    assert cause_of_call(name) == cause
