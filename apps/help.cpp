#include "help.hpp"

#include "ailab/abi.hpp"
#include "ailab/error.hpp"
#include "dist/launcher.hpp"

namespace ailab::app {

std::string help_text() {
    return concat(
        R"(ailab-run trains what a YAML file describes, with models, data sets and losses from plugins, and tests,
runs and exports what was trained.

Usage
  ailab-run [train] CONFIG [key=value ...] [options]
  ailab-run browse CONFIG [key=value ...] [--phase PHASE] [--count N] [--sample EPOCH:INDEX] [-o FILE]
  ailab-run test CONFIG CHECKPOINT [key=value ...] [--tta VIEWS] [-o FOLDER]
  ailab-run infer CONFIG CHECKPOINT INPUT... [key=value ...] [-o FILE] [--topk N]
  ailab-run infer MODEL.ailab INPUT... [-o FILE] [--topk N] [--trust-plugins] [--public-key FILE]
  ailab-run export CONFIG CHECKPOINT --to FORMAT -o FILE [--with-plugins] [--force]
  ailab-run sign MODEL.ailab --key PRIVATE.pem [-o FILE]
  ailab-run runs WORK_DIR... [--json]
  ailab-run compare RUN RUN... [-o FILE]
  ailab-run inspect CHECKPOINT... [--json] [--work-dir FOLDER]
  ailab-run average CHECKPOINT CHECKPOINT... -o FILE.safetensors
  ailab-run --list-modules [KIND] [--json] [--plugins FILES]
  ailab-run --describe PLUGIN.so
  ailab-run --json-schema [--plugins FILES]

Examples
  ailab-run train.yaml
  mpirun -np 4 ailab-run --plugins libmy.so train.yaml
  ailab-run train.yaml optimizer.lr=0.01 total_epochs=5 workflow.0.1=2
  ailab-run test train.yaml best
  ailab-run infer train.yaml latest photos/ > predictions.jsonl
  ailab-run export train.yaml best --to onnx -o model.onnx
  ailab-run --list-modules model --plugins libmy.so

Options
  --plugins FILES        plugins to load, separated by commas; may be repeated. A file is looked for as
                         given, in the configuration's folder, in the folders of $AILAB_PLUGIN_PATH,
                         and among the built-in plugins, which need not be named
  --work-dir FOLDER      where runs are kept; the same as work_dir=FOLDER. For inspect and average: where
                         latest and best are, ./work_dir by default
  --launcher NAME        who started the ranks: )",
        join(launcher_names()),
        R"(. env is RANK and WORLD_SIZE,
                         as of torchrun. By default the environment tells
  --progress MODE        auto: a bar when stderr is a terminal; bar: always, for mpirun in a terminal;
                         plain: a line now and then; off. The same as the ProgressHook's mode
  --list-modules [KIND]  what can stand at `type:`, with the plugin it comes from. KIND: dataset, model,
                         loss, metric, optimizer, lr_scheduler, sampler, transform, hook, backend, device,
                         image_decoder
  --json-schema          JSON Schema of a configuration with all modules, for editors: write it to a file
                         and name that at the head of the YAML, # yaml-language-server: $schema=FILE
  browse                 writes a page of images that the model is fed, each as it is read and as it is
                         after its transforms, with labels (browse.png). --phase train, val or test;
                         --count: how many, 16 by default; --sample 3:17: sample 17 as epoch 3 sees it,
                         its exact numbers too (.safetensors); -o, --output: another file
  test, infer, export    CHECKPOINT is latest, best, a checkpoint's or run's folder, a .safetensors or .pth
                         file. The options -c, --config CONFIG, -w, --weights CHECKPOINT and -i, --input
                         INPUT stand for the words; -o, --output OUTPUT
  test                   metrics, predictions and a report of data.test (or data.val).
                         --tta flip,five_crops: the mean over several views of each image
  infer                  a JSON line for each image file, folder, pattern, .safetensors of inputs, or line of
                         standard input (-). --topk classes; --batch-size and --threads; --device auto, cpu
                         or cuda; --scores: all values of outputs of more than 1,000, too; --force replaces
                         the output. The plugins that an artifact brings, in it or beside it, run only with
                         --trust-plugins, or with --public-key FILE, which takes only what that key has signed
  export                 --to safetensors, torchscript, onnx, pth or artifact: one file for infer
                         (--with-plugins: the plugins in it)
  sign                   signs an artifact by an Ed25519 key: openssl genpkey -algorithm ed25519 -out
                         private.pem makes one, openssl pkey -in private.pem -pubout -out public.pem the
                         half for --public-key. -o: into another file
  runs, compare          tables and curves of runs; inspect: what is in a file of weights, and whether it
                         is whole (--public-key FILE: and signed); average: the mean of weights
  --dry-run              builds everything and runs two steps of each phase, in a folder of its own
  --json                 with --list-modules, runs and inspect: JSON in place of a table
  --describe PLUGIN.so   the modules of a plugin, their options and the keys that their kind has in
                         common, as JSON
  --version              versions of ailab and LibTorch
  -h, --help             this text

Overrides change one value of the configuration: key=value, keys of nested maps and places in lists
joined by dots. The value is YAML: loss.weight=[1.0,2.0] hooks.logger.interval=10.

Several processes: under mpirun nothing else is needed; srun and torchrun-style variables (RANK,
WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT) are understood too. train and test are done by all ranks
together, every other command by rank 0 alone.

A plugin is code and runs with your rights: load only those that you trust.

Exit status: 0 done, 1 the run failed, 2 the command line or the configuration is wrong; when a signal
ends the run 128 and its number: 129 SIGHUP, 130 SIGINT (Ctrl-C), 143 SIGTERM.
)");
}

std::string version_text() {
    constexpr plugin::Stamp stamp = plugin::make_stamp();
    return concat("ailab ", stamp.core, " (LibTorch ", stamp.torch, ", SDK ",
                  std::string(stamp.abi).substr(0, 12), ", ", stamp.build, ", compiler ",
                  stamp.compiler, ")\n");
}

}  // namespace ailab::app
