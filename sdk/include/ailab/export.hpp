#pragma once

/// Marks what libailab_core.so exports. Everything else in the core is hidden.
#define AILAB_API __attribute__((visibility("default")))
