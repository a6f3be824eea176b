#!/bin/sh
# Records ViT-B/16 on the local GPU, eager and in a CUDA graph, and sums the traces up side by side:
#     sh docs/benchmarks/h200/record_traces.sh FOLDER [ONNX_OF_VIT_TINY]
# Needs what docs/explanation/measuring.md needs for runtime torch, and onnxruntime-gpu for the second argument. Traces
# (FOLDER/results/*.json.gz) can be opened in ui.perfetto.dev.
set -u
out=$1
trtbench() { python3 -c "from trtbench.cli.app import main; main()" "$@"; }

for batch in 1 8 64; do
    trtbench trace bf16 --runtime torch-eager --runtime torch --batch $batch --store "$out" \
        >"$out/eager_and_graph_b$batch.txt" || echo "batch $batch failed"
done
trtbench trace fp16 fp8 --runtime torch-compile --batch 64 --store "$out" \
    >"$out/compiled_b64.txt" || echo "torch-compile failed"
if [ $# -gt 1 ]; then
    trtbench trace "$2" --runtime onnxruntime --store "$out" >"$out/onnxruntime.txt" || echo "onnxruntime failed"
fi
