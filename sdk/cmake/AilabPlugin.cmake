# ailab_add_plugin(<name> SOURCES … [LIBRARIES …]): a plugin lib<name>.so with the SDK's settings and
# its precompiled header. Inside ailab's own tree it lands in lib/ailab/plugins; the index beside it
# (<name>.json, from ailab-run --describe) tells the host which modules it holds.
function(ailab_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_PCH" "" "SOURCES;LIBRARIES")
  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ailab::sdk ${arg_LIBRARIES})
  set_target_properties(${name} PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    PREFIX lib)
  # Every symbol must be there when the plugin is built, not when it is loaded.
  target_link_options(${name} PRIVATE -Wl,-z,defs)
  if(NOT arg_NO_PCH)
    ailab_use_pch(${name})
  endif()
endfunction()

# One precompiled header for all targets of a project: <ailab/ailab.hpp> costs about 10 s a file
# without it.
function(ailab_use_pch target)
  if(NOT TARGET ailab_pch)
    file(WRITE ${PROJECT_BINARY_DIR}/ailab_pch.cpp "// Holds the precompiled header.\n")
    add_library(ailab_pch OBJECT ${PROJECT_BINARY_DIR}/ailab_pch.cpp)
    target_link_libraries(ailab_pch PRIVATE ailab::headers)
    set_target_properties(ailab_pch PROPERTIES CXX_VISIBILITY_PRESET hidden
      VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
    target_precompile_headers(ailab_pch PRIVATE <ailab/ailab.hpp>)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      target_compile_options(ailab_pch PRIVATE -fpch-instantiate-templates)
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ailab_pch)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE -fpch-instantiate-templates)
  endif()
endfunction()
