// What the words of `ailab-run infer` stand for.
#include "serve/input_list.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ailab/error.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

class InputListTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / ("ailab_inputs_" + std::to_string(getpid()));
        fs::remove_all(folder_);
        fs::create_directories(folder_ / "sub");
        for (const char* name : {"b.png", "a.JPG", "sub/c.webp", "notes.txt", "x[1].png"})
            std::ofstream(folder_ / name) << "x";
    }
    void TearDown() override { fs::remove_all(folder_); }

    std::string list(std::vector<std::string> words) const {
        for (std::string& word : words) word = (folder_ / word).string();
        InputList inputs(words);
        const auto count = inputs.count();
        std::string text;
        int64_t found = 0;
        while (const auto file = inputs.next()) {
            text += fs::path(*file).lexically_normal().lexically_relative(folder_).string() + " ";
            ++found;
        }
        EXPECT_EQ(count, found);
        return text;
    }

    fs::path folder_;
};

TEST_F(InputListTest, FilesFoldersAndPatterns) {
    struct Case {
        std::vector<std::string> words;
        std::string files;
    };
    for (const Case& c :
         std::initializer_list<Case>{{{"b.png"}, "b.png "},
                                     {{"gone.png"}, "gone.png "},  // who opens it says so
                                     {{"."}, "a.JPG b.png sub/c.webp x[1].png "},
                                     {{"sub", "b.png"}, "sub/c.webp b.png "},
                                     {{"*.png"}, "b.png x[1].png "},
                                     {{"x[1].png"}, "x[1].png "},  // a name first, then a pattern
                                     {{"{a,b}.*"}, "a.JPG b.png "},
                                     {{"notes.txt"}, "notes.txt "}})
        EXPECT_EQ(list(c.words), c.files);
}

TEST_F(InputListTest, NothingThereIsAnError) {
    fs::create_directories(folder_ / "empty");
    EXPECT_THROW(list({"empty"}), Error);
    EXPECT_THROW(list({"*.bmp"}), Error);
}

TEST_F(InputListTest, ALinkBackIsAnError) {
    fs::create_directory_symlink(".", folder_ / "sub" / "again");
    fs::create_directory_symlink("..", folder_ / "sub" / "up");
    EXPECT_THROW(list({"."}), ConfigError);
    fs::remove(folder_ / "sub" / "again");
    fs::remove(folder_ / "sub" / "up");
    fs::create_symlink("itself.png", folder_ / "itself.png");
    EXPECT_EQ(list({"."}), "a.JPG b.png itself.png sub/c.webp x[1].png ");
}

}  // namespace
}  // namespace ailab
