#pragma once

namespace ailab {

/// Installs a caching allocator for CPU tensors in place of glibc's: freed blocks stay in a cache a
/// thread (and a shared pool behind it), so a training step takes no page faults. What is cached is
/// bounded by the peak of what was in use. Call once, before tensors are made.
void install_caching_allocator();

}  // namespace ailab
