#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "init_method.hpp"
#include "net.hpp"

namespace ailab::dist {

/// What rank 0 writes into an AddressFile.
struct Address {
    std::string meeting;  // Meeting::encode()
    /// Made for this job.
    std::string secret;
};

/// The file while rank 0 shows it: written whole or not at all, readable by this user alone,
/// removed when this object goes. One left over from a killed job is replaced; those of other jobs
/// in the user's own folder are removed.
class PublishedAddress {
  public:
    /// Throws ConfigError when the path holds something that is no address file, Error when none of
    /// the paths can be written.
    PublishedAddress(const AddressFile& file, const Address& address);
    ~PublishedAddress();
    PublishedAddress(const PublishedAddress&) = delete;
    PublishedAddress& operator=(const PublishedAddress&) = delete;

  private:
    std::string path_;
    std::string bytes_;
    FileDescriptor lock_;  // held as long as the file is shown
};

/// Nothing while there is no file, or one of another job or user.
std::optional<Address> read_address(const AddressFile& file);

}  // namespace ailab::dist
