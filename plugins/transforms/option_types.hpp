#pragma once
// Options as torchvision takes them: a number where one serves for several.
#include "ailab/options.hpp"
#include "pixels/affine.hpp"
#include "pixels/pad.hpp"
#include "pixels/resize.hpp"

namespace ailab {

/// `5` or `[5, 7]`.
template <class T>
struct OneOrMore {
    OneOrMore() = default;
    OneOrMore(T value) : values{value} {}
    OneOrMore(std::initializer_list<T> list) : values(list), is_list(true) {}

    size_t size() const { return values.size(); }
    /// The only one, or one of them.
    T operator[](size_t i) const { return values[values.size() == 1 ? 0 : i]; }

    std::vector<T> values;
    bool is_list = false;
};

template <class T>
struct OptionType<OneOrMore<T>> {
    static OptionSchema schema() {
        const OptionSchema one = OptionType<T>::schema();
        return OptionSchema::either_of({one, OptionSchema::list_of(one)});
    }
    static void read(const Node& node, OneOrMore<T>& field, const Bounds& bounds,
                     const std::string& name, Problems& problems) {
        field.is_list = node.is_list();
        if (field.is_list) {
            OptionType<std::vector<T>>::read(node, field.values, bounds, name, problems);
            return;
        }
        field.values.resize(1);
        OptionType<T>::read(node, field.values[0], bounds, name, problems);
    }
    static Node write(const OneOrMore<T>& field) {
        // A required option has no value before it is read.
        if (field.is_list || field.values.empty())
            return OptionType<std::vector<T>>::write(field.values);
        return OptionType<T>::write(field.values[0]);
    }
};

/// "size takes 1 or 2 numbers, got 3", or "".
template <class List>
std::string wrong_count(const std::string& name, const List& list,
                        std::initializer_list<size_t> counts) {
    std::vector<std::string> texts;
    for (const size_t count : counts) {
        if (list.size() == count) return "";
        texts.push_back(std::to_string(count));
    }
    return concat(name, " takes ", join(texts, " or "), " numbers, got ", list.size());
}

/// [low, high], or what is wrong with it.
inline std::string wrong_range(const std::string& name, const std::vector<double>& range) {
    const std::string complaint = wrong_count(name, range, {2});
    if (!complaint.empty()) return complaint;
    return range[0] <= range[1] ? "" : name + ": the first must not be above the second";
}

inline image::Size size_of(const OneOrMore<int64_t>& size) {
    return {size[0], size[1]};
}

/// -degrees … degrees, or the given range.
inline std::vector<double> symmetric_range(const OneOrMore<double>& degrees) {
    if (degrees.size() == 1) return {-degrees[0], degrees[0]};
    return degrees.values;
}

inline image::Interpolation interpolation_of(const std::string& name) {
    return name == "nearest"   ? image::Interpolation::nearest
           : name == "bicubic" ? image::Interpolation::bicubic
                               : image::Interpolation::bilinear;
}

inline image::PaddingMode padding_mode_of(const std::string& name) {
    return name == "edge"        ? image::PaddingMode::edge
           : name == "reflect"   ? image::PaddingMode::reflect
           : name == "symmetric" ? image::PaddingMode::symmetric
                                 : image::PaddingMode::constant;
}

inline image::Padding padding_of(const OneOrMore<int64_t>& p) {
    return p.size() == 4 ? image::Padding{p[0], p[1], p[2], p[3]}
                         : image::Padding{p[0], p[1], p[0], p[1]};
}

inline Bounds resize_choices() {
    return one_of({"nearest", "bilinear", "bicubic"});
}
inline Bounds affine_choices() {
    return one_of({"nearest", "bilinear"});
}
inline Bounds padding_choices() {
    return one_of({"constant", "edge", "reflect", "symmetric"});
}

/// What transforms that leave places empty put there.
struct FillOptions {
    OneOrMore<double> fill = 0.0;
    double mask_fill = 0;

    void visit(OptionVisitor& v) {
        v.option("fill", fill, "value of new pixels of the image, or one a channel");
        v.option("mask_fill", mask_fill, "value of new pixels of the mask");
        v.rule([this] { return wrong_count("fill", fill, {1, 3}); });
    }
};

}  // namespace ailab
