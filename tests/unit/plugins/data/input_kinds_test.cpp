// What stands in place of a file: a named pipe, a socket, a device, a folder. None of them is
// waited for or read, and each is named with its kind.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <future>

#include "ailab/datasets/pickled_fields.hpp"
#include "ailab/datasets/task.hpp"
#include "ailab/support/watched_file.hpp"
#include "plugins/make_module.hpp"

namespace ailab {
namespace {

namespace fs = std::filesystem;

/// Puts it at a path; the kind as messages name it.
struct Kind {
    const char* name;
    void (*put)(const std::string& path);
};

void put_socket(const std::string& path) {
    const int file = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(file, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(file);
}

const Kind kinds[] = {
    {"a named pipe", [](const std::string& path) { EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0); }},
    {"a socket", put_socket},
    {"a device", [](const std::string& path) { fs::create_symlink("/dev/zero", path); }},
    {"a folder", [](const std::string& path) { fs::create_directory(path); }},
};

/// What reads it, as a user has it: the file's name, what else must be there, and the reading.
struct Reader {
    const char* name;
    std::string file;
    std::function<void(const TemporaryFolder&)> prepare;
    std::function<void(const std::string& folder)> read;
};

void nothing(const TemporaryFolder&) {}

void make_dataset(const std::string& folder, std::string json) {
    for (size_t at; (at = json.find("FOLDER")) != std::string::npos;) json.replace(at, 6, folder);
    test::make<Dataset>(json);
}

Reader dataset(const char* name, const std::string& file, const std::string& json,
               std::function<void(const TemporaryFolder&)> prepare = nothing) {
    return {name, file, std::move(prepare),
            [json](const std::string& folder) { make_dataset(folder, json); }};
}

void cifar_files(const TemporaryFolder& folder) {
    const std::string image(3073, '\1');
    for (const char* name : {"data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                             "data_batch_5.bin", "test_batch.bin"})
        folder.write(name, image);
}

std::vector<Reader> readers() {
    std::vector<Reader> all = {
        dataset("json_lines", "a.jsonl",
                R"({"type": "ClassificationImageDataset", "annotation_file": "FOLDER/a.jsonl"})"),
        dataset("json_list", "a.json",
                R"({"type": "ClassificationImageDataset", "annotation_file": "FOLDER/a.json"})"),
        dataset("csv", "a.csv",
                R"({"type": "ClassificationImageDataset", "annotation_file": "FOLDER/a.csv"})"),
        dataset("text", "a.txt",
                R"({"type": "ClassificationImageDataset", "annotation_file": "FOLDER/a.txt"})"),
        dataset("tar", "a.tar", R"({"type": "TarShards", "shards": ["FOLDER/a.tar"]})"),
        dataset("idx", "train-images-idx3-ubyte",
                R"({"type": "IDX", "root": "FOLDER", "train": true})",
                [](const TemporaryFolder& folder) {
                    folder.write("train-labels-idx1-ubyte", std::string(8, '\0'));
                }),
        dataset("cifar_binary", "data_batch_1.bin", R"({"type": "CIFAR10", "root": "FOLDER"})",
                cifar_files),
        dataset("cifar_names", "batches.meta.txt",
                R"({"type": "CIFAR10", "root": "FOLDER", "train": false})", cifar_files),
    };
    const auto helper = [&](const char* name, const std::string& file,
                            std::function<void(const std::string&)> read) {
        all.push_back({name, file, nothing,
                       [file, read](const std::string& folder) { read(folder + "/" + file); }});
    };
    helper("coco", "instances.json", [](const std::string& path) { CocoJson({path}); });
    helper("text_lines", "lines.txt", [](const std::string& path) { TextLines({path}); });
    helper("csv_table", "table.csv", [](const std::string& path) { CsvTable({path}); });
    helper("mapped_file", "bytes", [](const std::string& path) { MappedFile file(path); });
    helper("pickled_fields", "batch", [](const std::string& path) { read_pickled_fields(path); });
    helper("image", "a.png",
           [](const std::string& path) { ImageReader(ImageReader::Options{}).open(path, {}); });
    helper("cache_file", "cache", [](const std::string& path) {
        ImageReader::Options options;
        options.cache_gb = 0.001;
        options.cache_file = path;
        ImageReader reader(options);
    });
    all.push_back(
        {"voc_list", "ImageSets/Main/train.txt",
         [](const TemporaryFolder& folder) { folder.write("ImageSets/Main/val.txt", ""); },
         [](const std::string& folder) {
             VocXml({folder, "train"});
         }});
    all.push_back({"voc_annotation", "Annotations/a.xml",
                   [](const TemporaryFolder& folder) {
                       folder.write("ImageSets/Main/train.txt", "a\n");
                       folder.write("Annotations/b.xml", "");
                   },
                   [](const std::string& folder) {
                       VocXml({folder, "train"}).record(0);
                   }});
    return all;
}

class WhatIsNoFile : public testing::TestWithParam<std::tuple<Reader, Kind>> {};

TEST_P(WhatIsNoFile, IsRefusedByKind) {
    const auto& [reader, kind] = GetParam();
    const TemporaryFolder folder;
    reader.prepare(folder);
    kind.put(folder.path(reader.file));
    // On a thread, so that one that waits is a failure and not the test's end.
    auto reading = std::make_shared<std::packaged_task<std::string()>>(
        [read = reader.read, path = folder.path()] {
            return test::error_of([&] { read(path); }, path);
        });
    std::future<std::string> said = reading->get_future();
    std::thread([reading] { (*reading)(); }).detach();
    ASSERT_EQ(said.wait_for(std::chrono::seconds(20)), std::future_status::ready) << "it waits";
    const std::string text = said.get();
    EXPECT_TRUE(test::contains(text, "FOLDER/" + reader.file)) << text;
    EXPECT_TRUE(test::contains(text, std::string("is ") + kind.name)) << text;
}

INSTANTIATE_TEST_SUITE_P(Inputs, WhatIsNoFile,
                         testing::Combine(testing::ValuesIn(readers()), testing::ValuesIn(kinds)),
                         [](const auto& info) {
                             std::string name = concat(std::get<0>(info.param).name, "_",
                                                       std::get<1>(info.param).name);
                             for (char& c : name)
                                 if (c == ' ') c = '_';
                             return name;
                         });

}  // namespace
}  // namespace ailab
