#include "types.hpp"

#include "ailab/error.hpp"

namespace ailab::mpi {

using collectives::Reduction;

namespace {

constexpr c10::ScalarType own_type_list[] = {c10::kHalf, c10::kBFloat16, c10::kBool, c10::kFloat,
                                             c10::kDouble};

/// What MPI calls: it gives no way to say for which type, so there is one function for each.
template <int type, Reduction reduction>
void apply(void* in, void* inout, int* count, MPI_Datatype*) {
    const void* const ins[] = {in, inout};
    void* const outs[] = {inout};
    collectives::reduce(own_type_list[type], reduction, ins, outs, *count);
}

template <int type>
void make(MPI_Op* ops) {
    auto make_one = [&](Reduction reduction, MPI_User_function* function) {
        check(MPI_Op_create(function, /*commute=*/1, &ops[int(reduction)]), "MPI_Op_create");
    };
    make_one(Reduction::min, &apply<type, Reduction::min>);
    make_one(Reduction::max, &apply<type, Reduction::max>);
    if constexpr (own_type_list[type] == c10::kFloat || own_type_list[type] == c10::kDouble) return;
    make_one(Reduction::sum, &apply<type, Reduction::sum>);
    make_one(Reduction::avg, &apply<type, Reduction::sum>);
    make_one(Reduction::product, &apply<type, Reduction::product>);
    if constexpr (own_type_list[type] == c10::kBool) {
        make_one(Reduction::band, &apply<type, Reduction::band>);
        make_one(Reduction::bor, &apply<type, Reduction::bor>);
        make_one(Reduction::bxor, &apply<type, Reduction::bxor>);
    }
}

MPI_Op standard(Reduction reduction) {
    switch (reduction) {
        case Reduction::sum:
        case Reduction::avg:
            return MPI_SUM;
        case Reduction::product:
            return MPI_PROD;
        case Reduction::min:
            return MPI_MIN;
        case Reduction::max:
            return MPI_MAX;
        case Reduction::band:
            return MPI_BAND;
        case Reduction::bor:
            return MPI_BOR;
        case Reduction::bxor:
            return MPI_BXOR;
    }
    return MPI_OP_NULL;
}

}  // namespace

void check(int status, const char* call) {
    if (status == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(status, text, &length);
    throw Error(concat("mpi: ", call, " failed: ", text));
}

MPI_Datatype datatype(c10::ScalarType type) {
    switch (type) {
        case c10::kFloat:
            return MPI_FLOAT;
        case c10::kDouble:
            return MPI_DOUBLE;
        case c10::kHalf:
        case c10::kBFloat16:
            return MPI_UINT16_T;
        case c10::kChar:
            return MPI_INT8_T;
        case c10::kByte:
        case c10::kBool:
            return MPI_UINT8_T;
        case c10::kShort:
            return MPI_INT16_T;
        case c10::kInt:
            return MPI_INT32_T;
        case c10::kLong:
            return MPI_INT64_T;
        default:
            throw Error(concat("mpi: no MPI type for ", c10::toString(type)));
    }
}

Operations::Operations() {
    for (auto& ops : own_)
        for (MPI_Op& op : ops) op = MPI_OP_NULL;
    make<0>(own_[0]);
    make<1>(own_[1]);
    make<2>(own_[2]);
    make<3>(own_[3]);
    make<4>(own_[4]);
}

Operations::~Operations() {
    for (auto& ops : own_)
        for (MPI_Op& op : ops)
            if (op != MPI_OP_NULL) MPI_Op_free(&op);
}

MPI_Op Operations::get(c10::ScalarType type, Reduction reduction) const {
    for (int i = 0; i < own_types; ++i)
        if (own_type_list[i] == type && own_[i][int(reduction)] != MPI_OP_NULL)
            return own_[i][int(reduction)];
    return standard(reduction);
}

}  // namespace ailab::mpi
