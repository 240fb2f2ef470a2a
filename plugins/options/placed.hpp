#pragma once
// For what an options struct cannot check by itself.
#include <string>

#include "ailab/options.hpp"

namespace ailab {

/// An option that keeps where it was written: what is wrong with it in view of the run, or of the
/// disk, can then be said with that place. Without one when the configuration does not give it.
template <class T>
struct Placed {
    T value{};
    Place place;
};

template <class T>
struct OptionType<Placed<T>> {
    static OptionSchema schema() { return OptionType<T>::schema(); }
    static void read(const Node& node, Placed<T>& field, const Bounds& bounds,
                     const std::string& name, Problems& problems) {
        OptionType<T>::read(node, field.value, bounds, name, problems);
        field.place = node.place;
    }
    static Node write(const Placed<T>& field) { return OptionType<T>::write(field.value); }
};

}  // namespace ailab
