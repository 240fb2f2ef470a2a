add_library(ailab_warnings INTERFACE)
target_compile_options(ailab_warnings INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers)
# GoogleTest's macros hold an else of their own.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(ailab_warnings INTERFACE -Wno-dangling-else)
endif()
# A unity build includes .cpp files, which GCC then takes for headers.
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(ailab_warnings INTERFACE -Wno-subobject-linkage)
endif()
