# ailab_add_plugin(<name> SOURCES … [LIBRARIES …] [NO_PCH]): a plugin lib<name>.so with the SDK's
# settings and its precompiled header. NO_PCH suits a plugin whose sources include only the light
# headers (ailab/registry.hpp and the like).
function(ailab_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_PCH" "" "SOURCES;LIBRARIES")
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "ailab_add_plugin(${name} ...) names no sources: add SOURCES a.cpp ...")
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "ailab_add_plugin(${name} ...) does not know ${arg_UNPARSED_ARGUMENTS}; it "
      "takes SOURCES, LIBRARIES and NO_PCH")
  endif()
  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ailab::sdk ${arg_LIBRARIES})
  set_target_properties(${name} PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    PREFIX lib
    # A plugin called mpi or cuda must not answer for the real libmpi.so.
    NO_SONAME ON
    INSTALL_RPATH_USE_LINK_PATH ON)
  # Every symbol must be there when the plugin is built, not when it is loaded. The build-id is what
  # the ranks compare.
  target_link_options(${name} PRIVATE -Wl,-z,defs -Wl,--build-id=sha1)
  if(NOT arg_NO_PCH)
    ailab_use_pch(${name})
  endif()
endfunction()

# One precompiled header for all targets of a project: <ailab/ailab.hpp> costs about 10 s a file
# without it. A user's projects share it, see pch_cache.sh.
function(ailab_use_pch target)
  if(NOT TARGET ailab_pch)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/ailab_pch.cpp
      CONTENT "// Holds the precompiled header.\n")
    add_library(ailab_pch OBJECT ${PROJECT_BINARY_DIR}/ailab_pch.cpp)
    target_link_libraries(ailab_pch PRIVATE ailab::headers)
    set_target_properties(ailab_pch PROPERTIES CXX_VISIBILITY_PRESET hidden
      VISIBILITY_INLINES_HIDDEN ON POSITION_INDEPENDENT_CODE ON)
    target_precompile_headers(ailab_pch PRIVATE <ailab/ailab.hpp>)
    get_target_property(is_package ailab::headers IMPORTED)
    if(is_package)
      set_property(TARGET ailab_pch PROPERTY CXX_COMPILER_LAUNCHER
        sh ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/pch_cache.sh ${CMAKE_CXX_COMPILER}
        ${CMAKE_CXX_COMPILER_LAUNCHER})
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      target_compile_options(ailab_pch PRIVATE -fpch-instantiate-templates)
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ailab_pch)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    # The header was compiled with these; to the compiler other ones are another language.
    target_compile_options(${target} PRIVATE -fPIC)
    set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden
      VISIBILITY_INLINES_HIDDEN ON)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE -fpch-instantiate-templates)
  endif()
endfunction()
