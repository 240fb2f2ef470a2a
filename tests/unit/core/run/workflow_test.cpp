// Which phases come in which order, how long a run is, and where one that goes on stands.
#include "run/workflow.hpp"

#include <gtest/gtest.h>

namespace ailab {
namespace {

WorkflowStep entry(const std::string& phase, int64_t epochs = 1,
                   std::optional<int64_t> iters = {}) {
    WorkflowStep step;
    step.phase = phase;
    step.epochs = epochs;
    step.iters = iters;
    return step;
}

const std::vector<WorkflowStep> train_val = {entry("train"), entry("val")};

/// Ten iterations an epoch.
WorkflowPlan plan(std::vector<WorkflowStep> entries, std::optional<int64_t> epochs,
                  std::optional<int64_t> iters = {}) {
    return {.entries = std::move(entries),
            .total_epochs = epochs,
            .total_iters = iters,
            .epoch_iterations = 10};
}

/// Walks through a workflow as a run does, over a loader whose epochs have ten iterations.
struct Walk {
    explicit Walk(WorkflowPlan given) : accumulate(given.accumulate), workflow(given) {}

    /// What happens from here on, until `iterations` of training are over: "t10 v t10 v", where t3+
    /// is a training phase that was left after 3. `saved`: as a checkpoint would have it then.
    std::string until(int64_t iterations) {
        std::string text;
        const auto add = [&](const std::string& part) {
            if (text.size() > 200) throw Error("without end: " + text);
            text += (text.empty() ? "" : " ") + part;
        };
        while (const auto phase = workflow.next()) {
            if (*phase != Phase::train) {
                add(*phase == Phase::val ? "v" : "s");
                workflow.evaluated(*phase);
                if (workflow.ends_here()) add("end");
                continue;
            }
            const int64_t length = workflow.begin_training(10 - loader % 10);
            int64_t done = workflow.position().iter;
            const int64_t first = done;
            while (done < length && workflow.position().train_iter < iterations) {
                ++done;
                ++loader;
                workflow.iterated(done == length || (done - first) % accumulate == 0);
                if (workflow.ends_here()) ended = true;
            }
            add(concat("t", done - first, done < length ? "+" : ""));
            if (done < length) return text;
            workflow.trained();
            if (ended) add("end");
        }
        return text;
    }
    std::string to_end() { return until(1'000'000); }

    /// Another run that goes on from here.
    Walk resumed(WorkflowPlan given) const {
        Node saved = Node::map();
        workflow.save(saved);
        Walk walk(std::move(given));
        walk.workflow.load(StateReader(saved));
        walk.loader = loader;
        return walk;
    }

    int64_t accumulate;
    int64_t loader = 0;
    bool ended = false;
    Workflow workflow;
};

TEST(Workflow, OrderOfPhases) {
    struct Case {
        WorkflowPlan plan;
        const char* phases;  // "end": nothing is left after what came before
    };
    WorkflowPlan seldom = plan(train_val, 5);
    seldom.val_interval = 2;
    WorkflowPlan seldom_by_iters = plan({entry("train", 1, 4), entry("val")}, {}, 14);
    seldom_by_iters.val_interval = 3;
    WorkflowPlan dry = plan({entry("train", 3), entry("val", 2)}, 7);
    dry.dry_run = true;
    dry.accumulate = 3;
    WorkflowPlan tests = plan({entry("test")}, 1);
    tests.epoch_iterations = {};
    WorkflowPlan tests_by_iters = plan({entry("val"), entry("test")}, {}, 100);
    tests_by_iters.epoch_iterations = {};
    for (const Case& c : {
             Case{plan({entry("train")}, 2), "t10 t10 end"},
             Case{plan(train_val, 2), "t10 v t10 v end"},
             Case{plan({entry("val"), entry("train")}, 2), "v t10 v t10 end"},
             Case{plan({entry("train", 2), entry("val")}, 4), "t10 t10 v t10 t10 v end"},
             // No round is longer than the run.
             Case{plan({entry("train", 2), entry("val")}, 3), "t10 t10 v t10 v end"},
             Case{plan({entry("train"), entry("val", 2), entry("test")}, 1), "t10 v v s end"},
             Case{plan({entry("train", 1, 4), entry("val")}, 3), "t4 v t4 v t4 v end"},
             Case{plan({entry("train", 2, 4), entry("val")}, 1), "t4 t4 v end"},
             Case{plan(train_val, {}, 25), "t10 v t10 v t5 v end"},
             Case{plan({entry("train", 1, 4), entry("val")}, {}, 9), "t4 v t4 v t1 v end"},
             // The weights were validated before the part that is not trained any more.
             Case{plan({entry("train", 1, 4), entry("val"), entry("train", 1, 4), entry("val")}, {},
                       4),
                  "t4 v"},
             Case{seldom, "t10 t10 v t10 t10 v t10 v end"},
             Case{seldom_by_iters, "t4 t4 t4 v t2 v end"},
             Case{dry, "t6 v"},
             Case{tests, "s end"},
             Case{tests_by_iters, "v s"},
         }) {
        EXPECT_EQ(Walk(c.plan).to_end(), c.phases);
    }
}

TEST(Workflow, LengthOfTheRun) {
    struct Case {
        WorkflowPlan plan;
        int64_t accumulate, epochs, iterations, steps;
    };
    WorkflowPlan tests = plan({entry("test")}, 3);
    tests.epoch_iterations = {};
    for (const Case& c : {
             Case{plan(train_val, 3), 1, 3, 30, 30},
             // A step does not reach over an epoch's end: 4 + 4 + 2.
             Case{plan(train_val, 3), 4, 3, 30, 9},
             Case{plan(train_val, 3), 100, 3, 30, 3},
             Case{plan({entry("train", 2), entry("val")}, 3), 1, 3, 30, 30},
             Case{plan({entry("train", 1, 4), entry("val")}, 3), 3, 3, 12, 6},
             Case{plan({entry("train", 2, 4), entry("train", 1, 3)}, 2), 2, 2, 22, 12},
             Case{plan(train_val, {}, 25), 1, 0, 25, 25},
             Case{plan(train_val, {}, 25), 4, 0, 25, 8},
             Case{plan({entry("train", 2, 4), entry("train", 1, 3)}, {}, 21), 2, 0, 21, 11},
             Case{plan(train_val, 2, 25), 1, 2, 25, 25},
             Case{tests, 1, 3, 0, 0},
         }) {
        WorkflowPlan given = c.plan;
        given.accumulate = c.accumulate;
        const RunLength length = Workflow(given).length();
        EXPECT_EQ(length.epochs, c.epochs);
        EXPECT_EQ(length.train_iters, c.iterations);
        EXPECT_EQ(length.steps, c.steps);
        if (c.iterations == 0 || given.total_epochs) continue;
        Walk walk(given);
        walk.to_end();
        EXPECT_EQ(walk.workflow.position().train_iter, c.iterations);
        EXPECT_EQ(walk.workflow.position().step, c.steps);
    }
}

TEST(Workflow, ALengthThatCannotBeCountedIsRefused) {
    WorkflowPlan given = plan(train_val, int64_t(1) << 62);
    given.total_epochs_place = {std::make_shared<const std::string>("train.yaml"), 3, 15};
    try {
        Workflow(given).length();
        FAIL();
    } catch (const ConfigError& error) {
        EXPECT_NE(std::string(error.what()).find("train.yaml:3:15: the run would take 461168"),
                  std::string::npos)
            << error.what();
    }
}

TEST(Workflow, WhatGoesOnIsTheRestOfTheStraightRun) {
    struct Case {
        WorkflowPlan plan;
        int64_t left_after;
        const char *before, *after;
    };
    WorkflowPlan seldom = plan(train_val, 5);
    seldom.val_interval = 2;
    for (const Case& c : {
             Case{plan(train_val, 2), 3, "t3+", "t7 v t10 v end"},
             Case{plan(train_val, 2), 13, "t10 v t3+", "t7 v end"},
             Case{plan({entry("train", 2), entry("val")}, 4), 12, "t10 t2+", "t8 v t10 t10 v end"},
             Case{plan({entry("train", 1, 4), entry("val")}, 3), 6, "t4 v t2+", "t2 v t4 v end"},
             Case{plan(train_val, {}, 25), 22, "t10 v t10 v t2+", "t3 v end"},
             Case{seldom, 15, "t10 t5+", "t5 v t10 t10 v t10 v end"},
         }) {
        Walk first(c.plan);
        EXPECT_EQ(first.until(c.left_after), c.before);
        EXPECT_EQ(first.resumed(c.plan).to_end(), c.after);
    }
}

TEST(Workflow, AnEvaluationThatWasBrokenOffComesAgain) {
    Walk first(plan({entry("train"), entry("val", 2), entry("test")}, 1));
    ASSERT_EQ(first.workflow.next(), Phase::train);
    EXPECT_EQ(first.workflow.begin_training(10), 10);
    for (int i = 0; i < 10; ++i) first.workflow.iterated(true);
    first.workflow.trained();
    ASSERT_EQ(first.workflow.next(), Phase::val);
    first.workflow.evaluated(Phase::val);
    ASSERT_EQ(first.workflow.next(), Phase::val);
    EXPECT_EQ(first.resumed(plan({entry("train"), entry("val", 2), entry("test")}, 1)).to_end(),
              "v s end");
}

TEST(Workflow, AnEndThatWasSetFurtherOrBack) {
    Walk whole(plan(train_val, 2));
    whole.to_end();
    EXPECT_EQ(whole.resumed(plan(train_val, 3)).to_end(), "t10 v end");
    EXPECT_EQ(whole.resumed(plan(train_val, 2)).to_end(), "");
    EXPECT_TRUE(whole.resumed(plan(train_val, 2)).workflow.finished());

    Walk part(plan(train_val, 3));
    part.until(13);
    EXPECT_EQ(part.resumed(plan(train_val, 1)).to_end(), "");
}

TEST(Workflow, AStopBeginsNothingMore) {
    Walk walk(plan(train_val, 2));
    ASSERT_EQ(walk.workflow.next(), Phase::train);
    walk.workflow.begin_training(10);
    walk.workflow.iterated(true);
    walk.workflow.stop();
    EXPECT_TRUE(walk.workflow.finished());
    EXPECT_EQ(walk.workflow.next(), std::nullopt);
}

TEST(Workflow, EpochsThatAnotherProgramTrained) {
    WorkflowPlan given = plan(train_val, 3);
    given.accumulate = 4;
    Walk walk(given);
    walk.workflow.skip_epochs(2);
    EXPECT_EQ(walk.workflow.position().train_iter, 20);
    EXPECT_EQ(walk.workflow.position().step, 6);
    EXPECT_EQ(walk.to_end(), "t10 v end");
}

TEST(Workflow, AStateThatDoesNotFitIsRefused) {
    Walk walk(plan({entry("train"), entry("val"), entry("test")}, 2));
    ASSERT_EQ(walk.workflow.next(), Phase::train);
    Node saved = Node::map();
    walk.workflow.save(saved);
    saved.set("workflow_entry", Node(int64_t(2)));
    Workflow other(plan(train_val, 2));
    EXPECT_THROW(other.load(StateReader(saved)), Error);
    EXPECT_THROW(other.load(StateReader(Node::map())), Error);
}

}  // namespace
}  // namespace ailab
