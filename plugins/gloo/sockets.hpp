#pragma once
// gloo's connections ask nobody who he is: whoever connects to a rank's port first, and says the
// number that gloo expects, is taken for another rank. So the ranks compare, over the store, who
// connected to whom, and then let nobody in any more.
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <set>
#include <string>
#include <vector>

namespace ailab::gloo {

/// The TCP sockets that this process opens while the object lives.
class NewSockets {
  public:
    NewSockets() : before_(open_sockets()) {}

    /// Whether each connection that came to this rank's ports comes from another rank, and so on
    /// every rank. Collective; over keys of `store`.
    bool are_all_of_ranks(c10d::Store& store, int rank, int size) const;
    /// The listening ones take no connection any more. gloo keeps them open, and would end with the
    /// process's last file descriptor; closing them under it would too.
    void refuse_more() const;

  private:
    static std::set<int> open_sockets();
    std::vector<int> opened() const;

    const std::set<int> before_;
};

}  // namespace ailab::gloo
