add_library(ailab_warnings INTERFACE)
target_compile_options(ailab_warnings INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers)
