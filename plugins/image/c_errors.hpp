#pragma once
// Errors of C libraries that must be left by longjmp.
#include <csetjmp>
#include <cstdio>

namespace ailab {

/// Where an error callback of a C library jumps to. `run` is the frame that is jumped back to; the
/// frames in between, `action` among them, must hold no object with a destructor.
class CErrors {
  public:
    /// False if `action` called fail().
    template <class Action>
    [[gnu::noinline]] bool run(const Action& action) {
        if (setjmp(jump_) != 0) return false;
        action();
        return true;
    }

    [[noreturn]] void fail(const char* text) {
        std::snprintf(text_, sizeof text_, "%s", text);
        std::longjmp(jump_, 1);
    }

    /// What fail() was told.
    const char* text() const { return text_; }

  private:
    jmp_buf jump_;
    char text_[256] = "";
};

}  // namespace ailab
