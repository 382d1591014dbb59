#include "common/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "common/fd.h"

namespace fsm {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

Program shell(const std::string& script) {
    Program program;
    program.command = {"/bin/sh", "-c", script};
    program.time_limit = std::chrono::seconds(10);
    return program;
}

TEST(Program, ItsOutputsAndItsStatusAreReturned) {
    const auto outcome = run_program(shell("echo out; echo err >&2; exit 3"));
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_EQ(outcome->output, "out\n");
    EXPECT_EQ(outcome->errors, "err\n");
    EXPECT_EQ(outcome->end, ProgramEnd::exited);
    EXPECT_EQ(outcome->number, 3);
    EXPECT_FALSE(outcome->succeeded());
}

TEST(Program, ItReadsItsInputToTheEnd) {
    const std::string input(1 << 20, 'x');
    Program program;
    program.command = {"cat"};
    program.input = input;
    const auto outcome = run_program(program);
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_TRUE(outcome->succeeded());
    EXPECT_EQ(outcome->output, input);
}

TEST(Program, OneThatDoesNotReadItsInputIsNoFailure) {
    const std::string input(1 << 20, 'x');
    Program program = shell("exec <&-; exit 0");
    program.input = input;
    const auto outcome = run_program(program);
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_TRUE(outcome->succeeded());
}

TEST(Program, ItsOutputIsHandedOverAsItComes) {
    std::string seen;
    std::size_t pieces = 0;
    Program program = shell("echo one; sleep 0.3; echo two; echo err >&2");
    program.on_output = [&](std::string_view piece) {
        seen += piece;
        ++pieces;
    };
    const auto outcome = run_program(program);
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_EQ(seen, "one\ntwo\n");
    EXPECT_GE(pieces, 2U);
    EXPECT_EQ(outcome->output, "");
    EXPECT_EQ(outcome->errors, "err\n");
}

TEST(Program, ItsInputCanBeADescriptorThatStaysOpen) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const Fd read_end(ends[0]);
    Fd write_end(ends[1]);
    Program program = shell("echo began; cat; echo ended");
    program.input_fd = read_end.get();
    program.on_output = [&](std::string_view piece) {
        if (piece == "began\n") {
            write_end.reset();
        }
    };
    const auto outcome = run_program(program);
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_TRUE(outcome->succeeded());
    EXPECT_FALSE(write_end) << "it ended before its input did";
}

TEST(Program, OneThatIsNotThereIsNamed) {
    Program program;
    program.command = {"/does/not/exist"};
    const auto outcome = run_program(program);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().errno_value(), ENOENT);
    EXPECT_NE(outcome.error().message().find("start /does/not/exist: "), std::string::npos);
}

TEST(Program, ASignalIsToldApartFromAStatus) {
    const Program program = shell("kill -9 $$");
    const auto outcome = run_program(program);
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_EQ(outcome->end, ProgramEnd::signalled);
    EXPECT_EQ(outcome->number, SIGKILL);
    EXPECT_EQ(describe_end(program, *outcome), "signal 9");
}

TEST(Program, OneThatDoesNotEndIsKilledAndWhatItWroteIsKept) {
    for (const char* script : {"echo so far; sleep 60", "echo so far; exec >&- 2>&-; sleep 60"}) {
        const auto began = Clock::now();
        Program program = shell(script);
        program.time_limit = milliseconds(300);
        const auto outcome = run_program(program);
        ASSERT_TRUE(outcome) << outcome.error().message();
        EXPECT_EQ(outcome->end, ProgramEnd::out_of_time);
        EXPECT_EQ(outcome->output, "so far\n");
        EXPECT_EQ(describe_end(program, *outcome), "it is not done after 300 ms, and was ended");
        EXPECT_LT(Clock::now() - began, std::chrono::seconds(10));
    }
}

TEST(Program, OneThatClosesItsOutputsAndEndsInTimeIsAsked) {
    const auto outcome = run_program(shell("exec >&- 2>&-; sleep 0.2; exit 7"));
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_EQ(outcome->end, ProgramEnd::exited);
    EXPECT_EQ(outcome->number, 7);
}

TEST(Program, OneWhoseOutputDoesNotEndIsKilled) {
    for (const char* script : {"exec yes", "exec yes >&2"}) {
        Program program = shell(script);
        program.output_limit = 100000;
        const auto outcome = run_program(program);
        ASSERT_TRUE(outcome) << outcome.error().message();
        EXPECT_EQ(outcome->end, ProgramEnd::too_much_output);
        EXPECT_EQ(outcome->output.size() + outcome->errors.size(), 100000U);
        EXPECT_EQ(describe_end(program, *outcome),
                  "it wrote more than 100000 bytes, and was ended");
    }
}

TEST(Program, AsMuchOutputAsIsAllowedIsReturned) {
    Program program = shell("printf %1000s");
    program.output_limit = 1000;
    const auto outcome = run_program(program);
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_TRUE(outcome->succeeded());
    EXPECT_EQ(outcome->output.size(), 1000U);
}

// The process that it leaves has both outputs of its parent.
TEST(Program, WhatAProgramLeavesBehindIsNotWaitedFor) {
    const auto began = Clock::now();
    const auto outcome = run_program(shell("sleep 20 & echo $!"));
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_LT(Clock::now() - began, std::chrono::seconds(5));
    kill(std::stoi(outcome->output), SIGKILL);
}

TEST(Program, ItsEnvironmentIsOursUnlessOneIsGiven) {
    Program program;
    program.command = {"/usr/bin/env"};
    setenv("FSM_PROGRAM_TEST", "inherited", 1);
    const auto inherited = run_program(program);
    unsetenv("FSM_PROGRAM_TEST");
    program.environment = {"A=1", "B=2"};
    const auto given = run_program(program);
    ASSERT_TRUE(inherited && given);
    EXPECT_NE(inherited->output.find("FSM_PROGRAM_TEST=inherited\n"), std::string::npos);
    EXPECT_EQ(given->output, "A=1\nB=2\n");
}

TEST(Program, SignalsThatWeIgnoreOrBlockAreItsOwn) {
    const auto former = signal(SIGPIPE, SIG_IGN);
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const auto piped = run_program(shell("kill -PIPE $$; exit 0"));
    const auto ended = run_program(shell("kill -TERM $$; exit 0"));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    signal(SIGPIPE, former);
    ASSERT_TRUE(piped && ended);
    EXPECT_EQ(piped->number, SIGPIPE);
    EXPECT_EQ(ended->number, SIGTERM);
}

TEST(Program, AFailureIsToldInItsOwnWords) {
    const Program program;
    const ProgramOutcome refused{ProgramEnd::exited, 1, "", ""};
    EXPECT_EQ(describe_failure(program, refused, "no such release"), "no such release");
    EXPECT_EQ(describe_failure(program, refused, ""), "exit status 1");
    const ProgramOutcome killed{ProgramEnd::signalled, 9, "", ""};
    EXPECT_EQ(describe_failure(program, killed, "waiting"), "signal 9: waiting");
}

TEST(Program, IsFoundInPath) {
    EXPECT_EQ(find_program("cat").substr(find_program("cat").rfind('/')), "/cat");
    EXPECT_EQ(find_program("no-such-program"), "");
}

}  // namespace
}  // namespace fsm
