// A plugin that sets the process's locale, as GUI toolkits and many libraries do.
#include <ailab/ailab.hpp>
#include <clocale>
#include <locale>

AILAB_PLUGIN("test_locale", "1.0", "Sets the locale that the environment names")

namespace {

class LocaleHook : public ailab::Hook {
  public:
    LocaleHook() {
        if (!std::setlocale(LC_ALL, "")) throw ailab::Error("there is no such locale");
        std::locale::global(std::locale(""));
    }
};
AILAB_REGISTER_HOOK(LocaleHook, "Sets the locale")

}  // namespace
