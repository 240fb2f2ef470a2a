#include "ailab/phase.hpp"

namespace ailab {

const char* phase_name(Phase phase) {
    switch (phase) {
        case Phase::train:
            return "train";
        case Phase::val:
            return "val";
        case Phase::test:
            return "test";
    }
    return "?";
}

}  // namespace ailab
