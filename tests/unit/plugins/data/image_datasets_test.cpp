// Data sets of images by their options: what they list, and what is refused before the run.
#include <gtest/gtest.h>

#include <set>

#include "plugins/make_module.hpp"
#include "temporary_folder.hpp"

namespace ailab {
namespace {

using test::make;

class ImageDatasetsTest : public testing::Test {
  protected:
    std::string png(const std::string& name, int64_t value = 0) {
        const Tensor pixels = at::full({3, 2, 2}, value, at::kByte);
        return folder_.write(name, encode_png(pixels));
    }
    std::shared_ptr<Dataset> open(const std::string& type, const std::string& options) {
        std::string json = "{\"type\": \"" + type + "\", " + options + "}";
        for (size_t at; (at = json.find("FOLDER")) != std::string::npos;)
            json.replace(at, 6, folder_.path());
        return make<Dataset>(json);
    }
    std::string complaint(const std::string& type, const std::string& options) {
        const std::string text = error_of([&] { open(type, options); }, folder_.path());
        const size_t origin = text.find("): ");  // dataset "…" of libailab_data.so (file:line):
        return text.starts_with("dataset") || text.starts_with("test: dataset")
                   ? text.substr(origin + 3)
                   : text;
    }
    TemporaryFolder folder_;
};

TEST_F(ImageDatasetsTest, ImageFolderKnowsClassesAndFiles) {
    png("cat/1.png");
    png("dog/1.png", 7);
    png("dog/2.png");
    const auto data = open("ImageFolder", R"("root": "FOLDER")");
    EXPECT_EQ(data->size(), 3);
    EXPECT_EQ(data->num_classes(), 2);
    EXPECT_EQ(data->class_names(), (std::vector<std::string>{"cat", "dog"}));
    EXPECT_EQ(data->labels(), (std::vector<int64_t>{0, 1, 1}));
    EXPECT_EQ(data->sample_name(1), folder_.path("dog/1.png"));
    Sample sample = data->get(1, {});
    EXPECT_EQ(sample.tensor("label").item<int64_t>(), 1);
    EXPECT_TRUE(at::equal(sample.tensor("input"), at::full({3, 2, 2}, 7, at::kByte)));
}

TEST_F(ImageDatasetsTest, AnnotationsInThreeFormats) {
    png("images/a.png", 1);
    png("images/b.png", 2);
    folder_.write("a.jsonl",
                  "{\"file\": \"a.png\", \"y\": \"dog\"}\n"
                  "{\"file\": \"b.png\", \"y\": \"cat\"}\n");
    folder_.write("a.csv", "file,y\na.png,1\nb.png,0\n");
    folder_.write("b.csv", "file;y\na.png;1\nb.png;0\n");
    folder_.write("a.txt", "a.png 1\nb.png 0\n");
    const std::string prefix = R"(, "img_prefix": "FOLDER/images")";
    const std::string keys = R"(, "x_key": "file", "y_key": "y")";
    const struct {
        std::string options;
        std::vector<std::string> names;
    } rows[] = {{R"("annotation_file": "FOLDER/a.jsonl")" + keys, {"cat", "dog"}},
                {R"("annotation_file": "FOLDER/a.csv")" + keys, {}},
                {R"("annotation_file": "FOLDER/b.csv", "delimiter": ";")" + keys, {}},
                {R"("annotation_file": "FOLDER/a.txt")", {}},
                {R"("annotation_file": "FOLDER/a.txt", "classes": ["x", "y"])", {"x", "y"}}};
    for (const auto& row : rows) {
        SCOPED_TRACE(row.options);
        const auto data = open("ClassificationImageDataset", row.options + prefix);
        EXPECT_EQ(data->labels(), (std::vector<int64_t>{1, 0}));
        EXPECT_EQ(data->class_names(), row.names);
        EXPECT_EQ(data->sample_name(0), folder_.path("images/a.png"));
        Sample sample = data->get(1, {});
        EXPECT_EQ(sample.tensor("input")[0][0][0].item<int64_t>(), 2);
        EXPECT_EQ(data->default_transforms().items().size(), 2u);
    }
}

TEST_F(ImageDatasetsTest, RefusedAnnotations) {
    folder_.write("a.txt", "a.png cat\nb.png cot\n");
    folder_.write("b.txt", "../a.png 0\n/etc/b.png 1\n");
    folder_.write("d.jsonl", "{\"image\": \"a.png\"}\n");
    folder_.write("e.csv", "path,class\na.png,0\nb.png,1\n");
    folder_.write("f.csv", "image;label\na.png;0\nb,c.png;1\nd,e.png;1\n");
    const struct {
        std::string options, text;
    } rows[] = {
        {R"("annotation_file": "FOLDER/a.txt", "classes": ["cat", "dog"])",
         "FOLDER/a.txt:2: unknown class \"cot\"; did you mean \"cat\"? Classes: cat, dog"},
        {R"("annotation_file": "FOLDER/b.txt", "img_prefix": "FOLDER/images")",
         "FOLDER/b.txt:1: the path ../a.png leaves img_prefix FOLDER/images. Leave img_prefix out, "
         "or make the path relative to it\n"
         "FOLDER/b.txt:2: the path /etc/b.png leaves img_prefix FOLDER/images. Leave img_prefix "
         "out, or make the path relative to it"},
        {R"("annotation_file": "FOLDER/d.jsonl")",
         "FOLDER/d.jsonl:1: there is no \"label\"; there are: image. Another name of it is for "
         "y_key"},
        {R"("annotation_file": "FOLDER/e.csv")",
         "FOLDER/e.csv:2: there is no \"image\"; there are: path, class. Another name of it is for "
         "x_key\n"
         "FOLDER/e.csv:2: there is no \"label\"; there are: path, class. Another name of it is for "
         "y_key"},
        {R"("annotation_file": "FOLDER/f.csv")",
         "FOLDER/f.csv:3: expected 1 fields (image;label), got 2. If fields are separated by "
         "\";\", set delimiter: \";\""},
        {R"("annotation_file": "FOLDER/a.txt", "classes": ["a", "a"])",
         "classes names \"a\" twice"},
        {R"("annotation_file": "FOLDER/none.txt")",
         "FOLDER/none.txt cannot be read: No such file or directory"}};
    for (const auto& row : rows)
        EXPECT_EQ(complaint("ClassificationImageDataset", row.options), row.text) << row.options;
}

/// A loss may ignore them: the run refuses those that it does not.
TEST_F(ImageDatasetsTest, NegativeLabelsAreNoClasses) {
    folder_.write("a.txt", "a.png 0\nb.png -1\nc.png 2\n");
    folder_.write("b.txt", "a.png dog\nb.png -100\nc.png cat\n");
    folder_.write("c.txt", "a.png -1\n");
    const auto numbers = open("ClassificationImageDataset", R"("annotation_file": "FOLDER/a.txt")");
    EXPECT_EQ(numbers->labels(), (std::vector<int64_t>{0, -1, 2}));
    EXPECT_EQ(numbers->num_classes(), 3);
    const auto names = open("ClassificationImageDataset",
                            R"("annotation_file": "FOLDER/b.txt", "classes": ["cat", "dog"])");
    EXPECT_EQ(names->labels(), (std::vector<int64_t>{1, -100, 0}));
    EXPECT_TRUE(names->number_classes_as({"ant", "cat", "dog"}));
    EXPECT_EQ(names->labels(), (std::vector<int64_t>{2, -100, 1}));
    const auto none = open("ClassificationImageDataset", R"("annotation_file": "FOLDER/c.txt")");
    EXPECT_FALSE(none->num_classes().has_value());
}

TEST_F(ImageDatasetsTest, ImagesListedTwiceAreCounted) {
    folder_.write("a.txt", "a.png 0\na.png 1\n./a.png 0\n");
    testing::internal::CaptureStderr();
    open("ClassificationImageDataset", R"("annotation_file": "FOLDER/a.txt", "img_prefix": "x")");
    EXPECT_NE(testing::internal::GetCapturedStderr().find("a.txt lists 2 images more than once"),
              std::string::npos);
}

TEST_F(ImageDatasetsTest, ABrokenImageIsNamed) {
    png("cat/good.png");
    folder_.write("cat/bad.png", "no image");
    folder_.write("cat/empty.png", "");
    const auto data = open("ImageFolder", R"("root": "FOLDER")");
    const struct {
        int64_t index;
        std::string name;
    } rows[] = {{0, "cat/bad.png"}, {1, "cat/empty.png"}};
    for (const auto& row : rows) {
        EXPECT_THROW(data->get(row.index, {}), BrokenSample);
        EXPECT_NE(error_of([&] { data->get(row.index, {}); }).find(row.name), std::string::npos);
    }
}

TEST_F(ImageDatasetsTest, ACacheFileDoesNotSaveAnImageFromMaxPixels) {
    png("cat/1.png");
    const std::string cached =
        R"("root": "FOLDER", "cache_gb": 0.001, "cache_file": "FOLDER/kept")";
    const auto use = [&](const std::string& more) {
        Sample sample = open("ImageFolder", cached + more)->get(0, {});
        sample.decode();
    };
    use("");
    use(R"(, "max_pixels": 4)");
    EXPECT_THROW(use(R"(, "max_pixels": 3)"), BrokenSample);
}

// ---- CIFAR

std::string cifar_record(const std::string& labels, int first) {
    std::string record = labels;
    for (int i = 0; i < 3072; ++i) record += char((first + i) % 251);
    return record;
}

TEST_F(ImageDatasetsTest, CifarBinaryArchives) {
    for (int i = 1; i <= 5; ++i)
        folder_.write("cifar-10-batches-bin/data_batch_" + std::to_string(i) + ".bin",
                      cifar_record(std::string(1, char(i)), i) + cifar_record({"\x09"}, 9));
    folder_.write("cifar-10-batches-bin/test_batch.bin", cifar_record({"\x03"}, 5));
    folder_.write("cifar-10-batches-bin/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
    const auto train = open("CIFAR10", R"("root": "FOLDER")");
    ASSERT_EQ(train->size(), 10);
    EXPECT_EQ(train->labels(), (std::vector<int64_t>{1, 9, 2, 9, 3, 9, 4, 9, 5, 9}));
    EXPECT_EQ(train->class_names().at(9), "j");
    folder_.write("cifar-10-batches-bin/batches.meta.txt",
                  "a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\nj\r\n\r\n");
    EXPECT_EQ(open("CIFAR10", R"("root": "FOLDER")")->class_names(), train->class_names());
    Sample sample = train->get(2, {});
    const Tensor pixels = sample.tensor("input");
    ASSERT_EQ(pixels.sizes(), at::IntArrayRef({3, 32, 32}));
    EXPECT_EQ(pixels[0][0][1].item<int64_t>(), 3);
    EXPECT_EQ(pixels[1][0][0].item<int64_t>(), (2 + 1024) % 251);
    EXPECT_EQ(pixels.stride(0), 1) << "the memory order is H, W, C";
    EXPECT_EQ(open("CIFAR10", R"("root": "FOLDER", "train": false)")->size(), 1);

    folder_.write("cifar-100-binary/train.bin", cifar_record(std::string("\x13\x63", 2), 1));
    const auto fine = open("CIFAR100", R"("root": "FOLDER/cifar-100-binary")");
    EXPECT_EQ(fine->labels(), std::vector<int64_t>{99});
    EXPECT_EQ(fine->num_classes(), 100);
}

TEST_F(ImageDatasetsTest, RefusedCifarFiles) {
    EXPECT_EQ(complaint("CIFAR10", R"("root": "FOLDER")")
                  .find("FOLDER holds neither data_batch_1.bin nor data_batch_1"),
              0u);
    folder_.write("test_batch.bin", cifar_record({"\x01"}, 0).substr(1));
    EXPECT_NE(complaint("CIFAR10", R"("root": "FOLDER", "train": false)")
                  .find("test_batch.bin has 3072 bytes, which is no multiple of 3073"),
              std::string::npos);
    folder_.write("test_batch.bin", cifar_record({"\x0a"}, 0));
    EXPECT_NE(complaint("CIFAR10", R"("root": "FOLDER", "train": false)")
                  .find("image 0 has the label 10, outside of 0 … 9"),
              std::string::npos);
}

// ---- sets made of others

constexpr const char* ten = R"({"type": "Synthetic", "size": 10, "shape": [2], "num_classes": 3})";

TEST_F(ImageDatasetsTest, SetsMadeOfOthers) {
    const auto base = make<Dataset>(ten);
    const auto input = [](const Dataset& data, int64_t index) {
        Sample sample = data.get(index, {});
        return sample.tensor("input");
    };
    const std::string inner = std::string("\"dataset\": ") + ten;
    const auto both = open("Concat", std::string("\"datasets\": [") + ten + ", " + ten + "]");
    ASSERT_EQ(both->size(), 20);
    EXPECT_TRUE(at::equal(input(*both, 13), input(*base, 3)));
    EXPECT_EQ(both->labels()[13], base->labels()[3]);

    const auto some = open("Subset", inner + R"(, "indices": [7, 2])");
    ASSERT_EQ(some->size(), 2);
    EXPECT_TRUE(at::equal(input(*some, 0), input(*base, 7)));
    EXPECT_EQ(some->labels(), (std::vector<int64_t>{base->labels()[7], base->labels()[2]}));
    EXPECT_EQ(open("Subset", inner + R"(, "begin": 4)")->size(), 6);
    EXPECT_EQ(open("Subset", inner + R"(, "begin": 4, "end": 5)")->size(), 1);

    const auto thrice = open("Repeat", inner + R"(, "times": 3)");
    ASSERT_EQ(thrice->size(), 30);
    EXPECT_TRUE(at::equal(input(*thrice, 21), input(*base, 1)));
}

TEST_F(ImageDatasetsTest, SetsThatAreJoinedHaveTheSameClasses) {
    folder_.write("pets.txt", "a.png cat\nb.png dog\n");
    folder_.write("birds.txt", "a.png bird\nb.png dog\n");
    folder_.write("cats.txt", "a.png cat\n");
    const auto options = [](const std::string& first, const std::string& second) {
        const auto one = [](const std::string& name) {
            return R"({"type": "ClassificationImageDataset", "annotation_file": "FOLDER/)" + name +
                   R"(.txt"})";
        };
        return "\"datasets\": [" + one(first) + ", " + one(second) + "]";
    };
    const std::vector<std::string> both = {"cat", "dog"};
    EXPECT_EQ(open("Concat", options("pets", "cats"))->class_names(), both);
    EXPECT_EQ(open("Concat", options("cats", "pets"))->class_names(), both);
    EXPECT_NE(complaint("Concat", options("pets", "birds"))
                  .find("class 0 is \"cat\" in one of the datasets and \"bird\" in another; give "
                        "all the same classes"),
              std::string::npos)
        << complaint("Concat", options("pets", "birds"));
}

TEST_F(ImageDatasetsTest, RareClassesAreRepeated) {
    folder_.write("a.txt", [] {
        std::string lines = "rare.png 1\n";
        for (int i = 0; i < 15; ++i) lines += "common" + std::to_string(i) + ".png 0\n";
        return lines;
    }());
    const auto data = open("ClassBalanced",
                           R"("dataset": {"type": "ClassificationImageDataset",
                               "annotation_file": "FOLDER/a.txt"}, "oversample_thr": 0.25)");
    // The rare class has 1/16 of the samples: sqrt(0.25 * 16) = 2 times.
    EXPECT_EQ(data->size(), 17);
    const std::vector<int64_t> labels = data->labels();
    EXPECT_EQ(std::count(labels.begin(), labels.end(), 1), 2);
}

TEST_F(ImageDatasetsTest, RefusedSetsMadeOfOthers) {
    const std::string inner = std::string("\"dataset\": ") + ten;
    const struct {
        const char* type;
        std::string options, text;
    } rows[] = {
        {"Concat", R"("datasets": [])", "datasets is empty"},
        {"Subset", inner + R"(, "indices": [10])",
         "sample 10 was asked for; the dataset has 10, numbered from 0"},
        {"Subset", inner + R"(, "begin": 10)", "samples 10 … 9 were asked for; the dataset has 10"},
        {"Subset", inner + R"(, "end": 11)", "samples 0 … 10 were asked for; the dataset has 10"},
        {"Subset", inner + R"(, "begin": 3, "end": 3)", "end must be above begin"},
        {"Subset", inner + R"(, "begin": 3, "indices": [1])",
         "give either indices, or begin and end"}};
    for (const auto& row : rows)
        EXPECT_NE(complaint(row.type, row.options).find(row.text), std::string::npos)
            << row.options << ": " << complaint(row.type, row.options);
}

// ---- samplers

std::map<int64_t, int64_t> counts(const std::vector<int64_t>& numbers) {
    std::map<int64_t, int64_t> counts;
    for (const int64_t number : numbers) ++counts[number];
    return counts;
}

TEST_F(ImageDatasetsTest, AnInfiniteStreamGoesOnOverEpochs) {
    const auto data = make<Dataset>(ten);
    const auto sampler = make<Sampler>(R"({"type": "InfiniteSampler", "samples_per_epoch": 4})");
    EXPECT_EQ(sampler->size(*data), 4);
    std::vector<int64_t> stream;
    for (int64_t epoch = 0; epoch < 5; ++epoch)
        for (const int64_t number : sampler->order(*data, 1, epoch)) stream.push_back(number);
    ASSERT_EQ(stream.size(), 20u);
    for (const auto& [number, count] : counts(stream)) EXPECT_EQ(count, 2) << number;
    EXPECT_EQ(counts({stream.begin(), stream.begin() + 10}).size(), 10u);
}

TEST_F(ImageDatasetsTest, ClassesComeEquallyOften) {
    folder_.write("a.txt", "a 0\nb 0\nc 0\nd 0\ne 0\nf 1\ng 1\nh 2\n");
    const auto data = open("ClassificationImageDataset", R"("annotation_file": "FOLDER/a.txt")");
    const auto sampler =
        make<Sampler>(R"({"type": "ClassBalancedSampler", "samples_per_epoch": 15})");
    const auto order = sampler->order(*data, 1, 0);
    const std::vector<int64_t> labels = data->labels();
    std::vector<int64_t> classes;
    for (const int64_t number : order) classes.push_back(labels[size_t(number)]);
    for (const auto& [label, count] : counts(classes)) EXPECT_EQ(count, 5) << label;
    for (const auto& [number, count] : counts(order))
        EXPECT_EQ(count, labels[size_t(number)] == 0 ? 1 : labels[size_t(number)] == 2 ? 5 : count);
    EXPECT_EQ(order, sampler->order(*data, 1, 0));
    EXPECT_NE(order, sampler->order(*data, 1, 1));
}

TEST_F(ImageDatasetsTest, RepeatedAugmentationDealsASampleSeveralTimesInARow) {
    const auto data = make<Dataset>(ten);
    const auto sampler = make<Sampler>(
        R"({"type": "RepeatedAugmentationSampler", "repeats": 3, "samples_per_epoch": 31})");
    const auto order = sampler->order(*data, 1, 0);
    ASSERT_EQ(order.size(), 31u);
    for (size_t i = 0; i + 2 < 30; i += 3)
        EXPECT_TRUE(order[i] == order[i + 1] && order[i] == order[i + 2]);
    EXPECT_EQ(counts({order.begin(), order.begin() + 30}).size(), 10u);
}

}  // namespace
}  // namespace ailab
