# build plain
trtexec \
  --onnx=model.onnx \
  --saveEngine=model.engine \
  --skipInference \
  --noTF32 \
  --sparsity=disable \
  --profilingVerbosity=detailed \
  --verbose \
  --exportLayerInfo=inspector.json \
  --hardwareCompatibilityLevel=none

# build sparse
trtexec \
  --onnx=model.onnx \
  --saveEngine=model.engine \
  --skipInference \
  --noTF32 \
  --sparsity=enable \
  --profilingVerbosity=detailed \
  --verbose \
  --exportLayerInfo=inspector.json \
  --hardwareCompatibilityLevel=none \
  --noBuilderCache

# build everything
trtexec \
  --onnx=model.onnx \
  --saveEngine=model.engine \
  --skipInference \
  --noTF32 \
  --sparsity=disable \
  --profilingVerbosity=detailed \
  --verbose \
  --exportLayerInfo=inspector.json \
  --hardwareCompatibilityLevel=ampere+ \
  --timingCacheFile=timing.cache \
  --memPoolSize=workspace:1536 \
  --builderOptimizationLevel=4 \
  --tilingOptimizationLevel=2 \
  --maxAuxStreams=0 \
  --versionCompatible \
  --profile=0 \
  --minShapes=x:1x3 \
  --optShapes=x:8x3 \
  --maxShapes=x:64x3 \
  --profile=1 \
  --minShapes=x:1x3 \
  --optShapes=x:64x3 \
  --maxShapes=x:64x3

# bench graph
trtexec \
  --loadEngine=model.engine \
  --warmUp=500 \
  --duration=10 \
  --iterations=10 \
  --infStreams=1 \
  --exportTimes=times.json \
  --exportProfile=profile.json

# bench no graph
trtexec \
  --loadEngine=model.engine \
  --warmUp=12.5 \
  --duration=1.5 \
  --iterations=10 \
  --infStreams=1 \
  --noCudaGraph \
  --exportTimes=times.json \
  --exportProfile=profile.json

# bench version compatible
trtexec \
  --loadEngine=model.engine \
  --versionCompatible \
  --warmUp=500 \
  --duration=10 \
  --iterations=10 \
  --infStreams=1 \
  --exportTimes=times.json \
  --exportProfile=profile.json

# bench profiles
trtexec \
  --loadEngine=model.engine \
  --shapes=x:8x3,y:2 \
  --warmUp=500 \
  --duration=10 \
  --iterations=10 \
  --infStreams=1 \
  --exportTimes=times.json \
  --exportProfile=profile.json
