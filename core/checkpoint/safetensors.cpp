#include "safetensors.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <tuple>

#include "ailab/error.hpp"

namespace ailab {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

const std::vector<std::pair<std::string, at::ScalarType>>& safetensors_dtypes() {
    static const std::vector<std::pair<std::string, at::ScalarType>> list = {
        {"F64", at::kDouble},         {"F32", at::kFloat},
        {"F16", at::kHalf},           {"BF16", at::kBFloat16},
        {"I64", at::kLong},           {"I32", at::kInt},
        {"I16", at::kShort},          {"I8", at::kChar},
        {"U64", at::kUInt64},         {"U32", at::kUInt32},
        {"U16", at::kUInt16},         {"U8", at::kByte},
        {"BOOL", at::kBool},          {"F8_E4M3", at::kFloat8_e4m3fn},
        {"F8_E5M2", at::kFloat8_e5m2}};
    return list;
}

std::string dtype_name(at::ScalarType type) {
    for (const auto& [name, known] : safetensors_dtypes())
        if (known == type) return name;
    return "";
}

at::ScalarType dtype_named(const std::string& name) {
    for (const auto& [known, type] : safetensors_dtypes())
        if (known == name) return type;
    throw Error("unknown dtype " + name);
}

/// Finds the name under which a tensor (the same memory seen in the same way) was added before.
class AliasFinder {
  public:
    /// The earlier name, or nullptr, and then the tensor is known from now on.
    const std::string* find_or_add(const std::string& name, const at::Tensor& tensor) {
        if (!tensor.has_storage() || tensor.numel() == 0 || tensor.is_meta()) return nullptr;
        auto& here = by_address_[tensor.const_data_ptr()];
        for (const auto& [other, known] : here)
            if (known.scalar_type() == tensor.scalar_type() && known.sizes() == tensor.sizes() &&
                known.strides() == tensor.strides())
                return &other;
        here.emplace_back(name, tensor);
        return nullptr;
    }

  private:
    std::map<const void*, NamedTensors> by_address_;
};

/// Complex tensors are written as real numbers, with a last dimension of 2, and this mark and the
/// name in the metadata: the format's older readers know no complex dtype.
std::string complex_key(const std::string& name) {
    return "ailab.complex/" + name;
}

void check_writable(const std::string& name, const at::Tensor& tensor) {
    const std::string where = concat("tensor \"", name, "\" ");
    if (!tensor.defined()) throw Error(where + "is undefined");
    if (tensor.layout() != at::kStrided) throw Error(where + "is not dense");
    if (dtype_name(c10::toRealValueType(tensor.scalar_type())).empty())
        throw Error(concat(where, "is ", c10::toString(tensor.scalar_type()),
                           ", which safetensors files cannot hold"));
}

/// `data_begin`: where the data part of the file begins.
at::Tensor read_tensor(const InputFile& file, const TensorEntry& entry, uint64_t data_begin) {
    const at::ScalarType type = dtype_named(entry.dtype);
    // A bool that is neither 0 nor 1 would be undefined behaviour later.
    at::Tensor tensor =
        at::empty(entry.shape, at::TensorOptions(type == at::kBool ? at::kByte : type));
    file.read(tensor.mutable_data_ptr(), entry.end - entry.begin, data_begin + entry.begin);
    return type == at::kBool ? tensor.ne(0) : tensor;
}

/// What a file is to hold: its first bytes, and the tensors in the order of the data.
struct FilePlan {
    std::string start;
    NamedTensors ordered;
};

FilePlan plan_file(const NamedTensors& tensors, const Metadata& metadata) {
    FilePlan plan;
    SafetensorsHeader header;
    header.metadata = metadata;
    for (const auto& [name, tensor] : tensors) {
        check_writable(name, tensor);
        const bool complex = tensor.is_complex();
        plan.ordered.emplace_back(
            name, complex ? at::view_as_real(tensor.detach().resolve_conj()) : tensor.detach());
        if (complex) header.metadata[complex_key(name)] = c10::toString(tensor.scalar_type());
    }
    std::sort(plan.ordered.begin(), plan.ordered.end(), [](const auto& a, const auto& b) {
        return std::tuple(b.second.element_size(), a.first) <
               std::tuple(a.second.element_size(), b.first);
    });
    uint64_t offset = 0;
    for (const auto& [name, tensor] : plan.ordered) {
        if (!header.entries.empty() && header.entries.back().name == name)
            throw Error(concat("two tensors are named \"", name, "\""));
        const uint64_t end = offset + uint64_t(tensor.numel() * tensor.element_size());
        header.entries.push_back(
            {name, dtype_name(tensor.scalar_type()), tensor.sizes().vec(), offset, end});
        offset = end;
    }
    plan.start = encode_header(header);
    return plan;
}

at::Tensor as_complex(const at::Tensor& tensor, const std::string& name, const std::string& path) {
    const bool pairs = tensor.dim() > 0 && tensor.size(-1) == 2;
    if (!pairs || (tensor.scalar_type() != at::kFloat && tensor.scalar_type() != at::kDouble &&
                   tensor.scalar_type() != at::kHalf))
        throw Error(concat(path, ": tensor \"", name,
                           "\" is marked as complex, and is no list of pairs of numbers"));
    return at::view_as_complex(tensor);
}

/// Takes the marks out of the metadata, and gives the tensors they name their form.
void restore_complex(NamedTensors& tensors, Metadata& metadata, const std::string& path) {
    for (auto& [name, tensor] : tensors)
        if (metadata.erase(complex_key(name)) > 0) tensor = as_complex(tensor, name, path);
}

/// Leaves in `data_begin` where the data part begins.
SafetensorsHeader read_header(const InputFile& file, uint64_t& data_begin) {
    const std::string& path = file.path();
    unsigned char raw[8];
    if (file.size() < sizeof raw)
        throw Error(concat(path, " is truncated: it has ", file.size(), " bytes"));
    file.read(raw, sizeof raw, 0);
    uint64_t length = 0;
    for (int i = 0; i < 8; ++i) length |= uint64_t(raw[i]) << (8 * i);
    if (length > max_safetensors_header)
        throw Error(concat(path, ": a header of ", length, " bytes is too long (at most ",
                           max_safetensors_header, "): this is no safetensors file"));
    if (length > file.size() - sizeof raw)
        throw Error(concat(path, " is truncated: its header takes ", length, " bytes, ",
                           file.size() - sizeof raw, " are there"));
    std::string json(length, '\0');
    file.read(json.data(), length, sizeof raw);
    data_begin = sizeof raw + length;
    return parse_header(json, file.size() - data_begin, path);
}

}  // namespace

void check_safetensors(const NamedTensors& tensors) {
    plan_file(tensors, {});
}

FileDigest write_safetensors(const std::string& path, const NamedTensors& tensors,
                             const Metadata& metadata) {
    DurableFile file(path);
    write_safetensors(file, tensors, metadata);
    return file.finish();
}

void write_safetensors(DurableFile& file, const NamedTensors& tensors, const Metadata& metadata) {
    FilePlan plan;
    try {
        plan = plan_file(tensors, metadata);
    } catch (const std::exception& error) {
        throw Error(concat("cannot write ", file.path(), ": ", error.what()));
    }
    file.write(plan.start);
    for (const auto& [name, tensor] : plan.ordered) {
        const at::Tensor plain = tensor.cpu().resolve_neg().contiguous();
        file.write(plain.const_data_ptr(), size_t(plain.numel() * plain.element_size()));
    }
}

NamedTensors read_safetensors(const std::string& path, Metadata* metadata) {
    return read_safetensors(InputFile(path), metadata);
}

NamedTensors read_safetensors(const InputFile& file, Metadata* metadata) {
    uint64_t data_begin = 0;
    SafetensorsHeader header = read_header(file, data_begin);
    NamedTensors tensors;
    for (const TensorEntry& entry : header.entries)
        tensors.emplace_back(entry.name, read_tensor(file, entry, data_begin));
    restore_complex(tensors, header.metadata, file.path());
    if (metadata) *metadata = std::move(header.metadata);
    return tensors;
}

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(path) {
    SafetensorsHeader header = read_header(file_, data_begin_);
    for (TensorEntry& entry : header.entries) entries_.emplace(entry.name, std::move(entry));
    metadata_ = std::move(header.metadata);
}

at::Tensor SafetensorsFile::read_rows(const std::string& name, int64_t first, int64_t count) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) throw Error(concat(file_.path(), " has no tensor \"", name, "\""));
    TensorEntry part = found->second;
    const int64_t rows = part.shape.empty() ? 1 : part.shape[0];
    if (first < 0 || count < 0 || first > rows - count)
        throw Error(concat(file_.path(), ": tensor \"", name, "\" has ", rows, " rows, not ", first,
                           " to ", first + count));
    const uint64_t row = rows == 0 ? 0 : (part.end - part.begin) / uint64_t(rows);
    part.begin += uint64_t(first) * row;
    part.end = part.begin + uint64_t(count) * row;
    if (!part.shape.empty()) part.shape[0] = count;
    const at::Tensor tensor = read_tensor(file_, part, data_begin_);
    return metadata_.count(complex_key(name)) ? as_complex(tensor, name, file_.path()) : tensor;
}

NamedTensors drop_aliases(const NamedTensors& tensors, Metadata& metadata) {
    NamedTensors kept;
    AliasFinder seen;
    for (const auto& [name, tensor] : tensors) {
        const std::string* other = tensor.defined() ? seen.find_or_add(name, tensor) : nullptr;
        if (other && *other != name)
            metadata[name] = *other;
        else
            kept.emplace_back(name, tensor);
    }
    return kept;
}

void note_aliases(const NamedTensors& tensors, Metadata& metadata) {
    drop_aliases(tensors, metadata);
}

void restore_aliases(NamedTensors& tensors, const Metadata& metadata) {
    const std::map<std::string, at::Tensor> by_name(tensors.begin(), tensors.end());
    for (const auto& [name, kept] : metadata) {
        const auto found = by_name.find(kept);
        if (found != by_name.end() && !by_name.count(name))
            tensors.emplace_back(name, found->second);
    }
}

}  // namespace ailab
