# Imported targets for LibTorch: ailab::torch (libtorch_cpu, c10) and, where the files and the CUDA
# toolkit are, ailab::torch_cuda. find_package(Torch) is not used: it insists on a full CUDA toolkit
# even for CPU builds.
#
# Where it looks: -DTORCH_DIR=<folder with include/ and lib/> or TORCH_DIR in the environment, the
# LibTorch that an installed ailab was built with, an entry of CMAKE_PREFIX_PATH with libtorch, and
# .deps/libtorch/torch of the source tree.
if(TARGET ailab::torch)
  return()
endif()

set(_ailab_torch_hints ${TORCH_DIR} $ENV{TORCH_DIR} ${AILAB_TORCH_HINT} ${CMAKE_PREFIX_PATH}
    ${CMAKE_CURRENT_LIST_DIR}/../../.deps/libtorch/torch)
find_path(AILAB_TORCH_INCLUDE torch/csrc/api/include/torch/torch.h
  HINTS ${_ailab_torch_hints} PATH_SUFFIXES include NO_DEFAULT_PATH)
find_library(AILAB_TORCH_CPU torch_cpu HINTS ${_ailab_torch_hints} PATH_SUFFIXES lib NO_DEFAULT_PATH)
if(NOT AILAB_TORCH_INCLUDE OR NOT AILAB_TORCH_CPU)
  message(FATAL_ERROR "LibTorch was not found. Run scripts/setup, or give -DTORCH_DIR=<folder with "
    "include/ and lib/> of LibTorch 2.11 or newer.")
endif()
get_filename_component(AILAB_TORCH_LIB ${AILAB_TORCH_CPU} DIRECTORY)

file(STRINGS ${AILAB_TORCH_INCLUDE}/torch/headeronly/version.h _ailab_torch_version_lines
  REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
string(REGEX MATCHALL "[0-9]+" _ailab_torch_version "${_ailab_torch_version_lines}")
list(JOIN _ailab_torch_version "." AILAB_TORCH_VERSION)
if(AILAB_TORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "${AILAB_TORCH_LIB} is LibTorch ${AILAB_TORCH_VERSION}; ailab needs 2.11 or "
    "newer. Give -DTORCH_DIR of a newer one, or run scripts/setup.")
endif()

add_library(ailab_torch_c10 SHARED IMPORTED)
set_target_properties(ailab_torch_c10 PROPERTIES IMPORTED_LOCATION ${AILAB_TORCH_LIB}/libc10.so)
add_library(ailab::torch SHARED IMPORTED)
set_target_properties(ailab::torch PROPERTIES
  IMPORTED_LOCATION ${AILAB_TORCH_CPU}
  INTERFACE_LINK_LIBRARIES ailab_torch_c10
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES
    "${AILAB_TORCH_INCLUDE};${AILAB_TORCH_INCLUDE}/torch/csrc/api/include"
  INTERFACE_INCLUDE_DIRECTORIES
    "${AILAB_TORCH_INCLUDE};${AILAB_TORCH_INCLUDE}/torch/csrc/api/include"
  INTERFACE_COMPILE_DEFINITIONS "USE_DISTRIBUTED;USE_C10D_GLOO")
# The wheel's libtorch_cpu needs libcudart and libcupti, which lie outside torch/lib.
set(_ailab_cuda_runtime ${AILAB_TORCH_LIB}/../../nvidia/cu13/lib)
target_link_options(ailab::torch INTERFACE -Wl,--allow-shlib-undefined)
if(EXISTS ${_ailab_cuda_runtime})
  target_link_options(ailab::torch INTERFACE -Wl,-rpath-link,${_ailab_cuda_runtime})
endif()
