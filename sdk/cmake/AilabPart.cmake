# ailab_part(<folder> [NO_TORCH] [INCLUDES …] [LIBRARIES …]): a folder of libailab_core.so as an object
# library ailab_core_<folder>, so that unit tests can link the parts they test. Parts that include no
# torch header are quick to build; the others share one precompiled header. INCLUDES: from where its
# headers, and those of the parts below it, are named.
function(ailab_part folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_TORCH" "" "INCLUDES;LIBRARIES")
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()
  set(target ailab_core_${folder})
  add_library(${target} OBJECT ${sources})
  set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(${target} PUBLIC ${arg_INCLUDES})
  target_link_libraries(${target} PRIVATE ailab_warnings ${arg_LIBRARIES})
  if(arg_NO_TORCH)
    # torch/include brings its own fmt, which must not stand before spdlog's.
    target_include_directories(${target} PUBLIC
      $<TARGET_PROPERTY:ailab_headers,INTERFACE_INCLUDE_DIRECTORIES>)
    target_compile_options(${target} PRIVATE "SHELL:-idirafter ${AILAB_TORCH_INCLUDE}")
  else()
    target_link_libraries(${target} PUBLIC ailab_headers)
    ailab_use_pch(${target})
  endif()
  set_property(GLOBAL APPEND PROPERTY AILAB_CORE_PARTS ${target})
endfunction()
