# What `cmake --install` puts into a prefix, and the CMake package of both the prefix and the build
# tree: -Dailab_DIR=<prefix>/lib/cmake/ailab or -Dailab_DIR=<build>.
include(CMakePackageConfigHelpers)
get_filename_component(AILAB_TORCH_ROOT ${AILAB_TORCH_LIB} DIRECTORY)
set(package_folder lib/cmake/ailab)

set(modules sdk/cmake/AilabTorch.cmake sdk/cmake/AilabPlugin.cmake sdk/cmake/pch_cache.sh)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${modules})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/ailabConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)

# The build tree.
set(AILAB_PACKAGE_INCLUDES "${PROJECT_SOURCE_DIR}/sdk/include ${PROJECT_BINARY_DIR}/include")
configure_file(sdk/cmake/ailabConfig.cmake.in ${package_folder}/ailabConfig.cmake @ONLY)
file(COPY ${modules} ${PROJECT_BINARY_DIR}/package/ailabConfigVersion.cmake
  DESTINATION ${PROJECT_BINARY_DIR}/${package_folder})
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/ailabConfig.cmake @ONLY
  CONTENT "include(\${CMAKE_CURRENT_LIST_DIR}/@package_folder@/ailabConfig.cmake)\n")
file(COPY ${PROJECT_BINARY_DIR}/package/ailabConfigVersion.cmake DESTINATION ${PROJECT_BINARY_DIR})

# The prefix.
set(AILAB_PACKAGE_INCLUDES "\${_ailab_prefix}/include")
configure_file(sdk/cmake/ailabConfig.cmake.in package/ailabConfig.cmake @ONLY)
install(FILES ${modules} ${PROJECT_BINARY_DIR}/package/ailabConfig.cmake
  ${PROJECT_BINARY_DIR}/package/ailabConfigVersion.cmake DESTINATION ${package_folder})

set_target_properties(ailab_core PROPERTIES INSTALL_RPATH "$ORIGIN;${AILAB_TORCH_LIB}")
set_target_properties(ailab-run PROPERTIES INSTALL_RPATH "$ORIGIN/../lib;${AILAB_TORCH_LIB}")
install(TARGETS ailab-run RUNTIME DESTINATION bin)
install(TARGETS ailab_core LIBRARY DESTINATION lib)
install(DIRECTORY sdk/include/ailab ${PROJECT_BINARY_DIR}/include/ailab DESTINATION include
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h")
install(DIRECTORY sdk/templates DESTINATION share/ailab)
if(EXISTS ${PROJECT_SOURCE_DIR}/configs)
  install(DIRECTORY configs DESTINATION share/ailab)
endif()
# The pages link to each other, so they keep their places. In a component of their own too:
# cmake --install <build> --component documents.
install(FILES README.md README.zh-CN.md CHANGELOG.md CONTRIBUTING.md LICENSE
  DESTINATION share/doc/ailab COMPONENT documents)
install(DIRECTORY docs DESTINATION share/doc/ailab COMPONENT documents)
