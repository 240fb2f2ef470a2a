// Files that would take the stack, the memory or an exception of another kind: found by fuzzing
// (tests/fuzz), or by reading for it.
#include <gtest/gtest.h>

#include "ailab/datasets/pickled_fields.hpp"
#include "ailab/datasets/record_source.hpp"
#include "plugins/make_module.hpp"

namespace ailab::test {
namespace {

std::string repeated(const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
}

std::string voc_complaint(const std::string& xml) {
    const TemporaryFolder folder;
    folder.write("ImageSets/Main/train.txt", "a");
    folder.write("Annotations/a.xml", xml);
    VocXml::Options options;
    options.root = folder.path();
    const VocXml voc(options);
    try {
        voc.record(0);
    } catch (const BrokenSample& error) {
        return error.what();
    }
    return "";
}

/// The parser's stack would end: each element is a call of its own. Also where something only looks
/// as if it ended one.
TEST(HostileVoc, DeepElementsAreRefused) {
    constexpr int deep = 300'000;
    for (const std::string element :
         {"<a>", "<a b='</a>'>", "<a b=\"/>\">", "<a><!-- </a> -->", "<a><!--></a>-->",
          "<a><![CDATA[</a>]]>", "<a><?b </a>?>", "<a><!DOCTYPE b [</a>]>", "<a><![>", "<a\">",
          "<a b=/'>'>", "<a='x>"}) {
        const std::string complaint = voc_complaint(repeated(element, deep));
        EXPECT_TRUE(contains(complaint, "elements lie within each other deeper than 64 levels"))
            << element << ": " << complaint;
    }
}

TEST(HostileVoc, ManyElementsBesideEachOtherAreNot) {
    const std::string object =
        "<object a='<'><name>x<!-- <b> --></name><c/><d e='/' /><bndbox><xmin>1</xmin><ymin>1"
        "</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object>";
    EXPECT_EQ(voc_complaint("<?xml version='1.0'?><!DOCTYPE annotation [<!ELEMENT a>]><annotation>"
                            "<filename>a.jpg</filename><size><width>5</width><height>4</height>"
                            "</size>" +
                            repeated(object, 1000) + "</annotation>"),
              "");
}

/// A header of a file of 1 byte in GNU's old sparse format, which says that it has `size`.
std::string sparse_tar(const std::string& size) {
    const auto member = [](const std::string& name, char type, const std::string& rest) {
        std::string header(512, '\0');
        header.replace(0, name.size(), name);
        header.replace(124, 11, "00000000001");
        header[156] = type;
        header.replace(257, 7, "ustar  ");
        header.replace(386, rest.size(), rest);
        header.replace(148, 8, "        ");
        int sum = 0;
        for (const char c : header) sum += uint8_t(c);
        char digits[9];
        std::snprintf(digits, sizeof digits, "%06o", unsigned(sum));
        header.replace(148, 6, digits, 6);
        return header + "1" + std::string(511, '\0');
    };
    const std::string map =
        "00000000000" + std::string(1, '\0') + "00000000001" + std::string(1 + 72 + 1, '\0') + size;
    return member("a.png", '0', "") + member("a.cls", 'S', map) + std::string(1024, '\0');
}

TEST(HostileTar, AFewBytesAreNoFileOfTerabytes) {
    const TemporaryFolder folder;
    const auto complaint = [&](const std::string& size) {
        const std::string path = folder.write("a.tar", sparse_tar(size));
        return error_of(
            [&] { make<Dataset>(R"({"type": "TarShards", "shards": [")" + path + "\"]}"); },
            folder.path());
    };
    EXPECT_TRUE(contains(complaint("77777777777"),
                         "the sparse file at byte 1536 is to have 8589934591 bytes, of which 1 are "
                         "there"))
        << complaint("77777777777");
    EXPECT_EQ(complaint("00000000001"), "");
}

TEST(HostileTar, AFewBracesAreNoBillionFiles) {
    for (const std::string& pattern : {repeated("{a,b}", 30), repeated("{0..999999}", 2)}) {
        const std::string complaint = error_of(
            [&] { make<Dataset>(R"({"type": "TarShards", "shards": [")" + pattern + "\"]}"); });
        EXPECT_TRUE(contains(complaint, pattern + " stands for more than 1000000 files"))
            << complaint;
    }
}

/// numpy's array of bytes in the place of a list of labels: as good as one.
TEST(HostileCifar, LabelsMayBeAnArrayOfAnyIntegers) {
    using namespace std::string_literals;
    const auto array = [](const std::string& dtype, const std::string& shape,
                          const std::string& bytes) {
        return "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85X\1\0\0\0b\x87R"s +
               "(K\1(" + shape + "tcnumpy\ndtype\nX\2\0\0\0"s + dtype +
               "\x89\x88\x87R(K\3X\1\0\0\0|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89"s + "B" +
               char(bytes.size()) + char(bytes.size() >> 8) + "\0\0"s + bytes + "tb";
    };
    const auto complaint = [&](const std::string& dtype, const std::string& label) {
        const TemporaryFolder folder;
        folder.write("test_batch", "\x80\3}(X\4\0\0\0data"s +
                                       array("u1", "K\1M\0\x0c"s, std::string(3072, '\1')) +
                                       "X\6\0\0\0labels"s + array(dtype, "K\1", label) + "u.");
        return error_of(
            [&] {
                const auto cifar = make<Dataset>(
                    R"({"type": "CIFAR10", "train": false, "root": ")" + folder.path() + "\"}");
                EXPECT_EQ(cifar->labels(), std::vector<int64_t>{3});
            },
            folder.path());
    };
    EXPECT_EQ(complaint("u1", "\3"), "");
    EXPECT_EQ(complaint("i2", "\3\0"s), "");
    EXPECT_TRUE(contains(complaint("f4", std::string(4, '\0')),
                         "FOLDER/test_batch: data must be [n, 3072] uint8 and go with n labels, "
                         "which are whole numbers"));
}

}  // namespace
}  // namespace ailab::test
