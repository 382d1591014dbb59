// Settings that hold for every command: which cluster, which namespace, which programs. A flag goes
// before the environment, the environment before the file, the file before the default.
//
//   FSM_NAMESPACE    namespace     fsm-system    where the mesh is installed
//   FSM_MESH_NAME    meshName      fsm           the mesh that commands refer to
//   KUBECONFIG       kubeconfig                  as for kubectl and helm
//   FSM_KUBE_CONTEXT kubeContext                 empty: the current context
//   FSM_VERBOSE      verbose       false         print the programs that fsm runs
//   HELM             helm          helm          the program
//   KUBECTL          kubectl       kubectl       the program
//   FSM_CONFIG                                   this file; default: ~/.fsm/config.yaml
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/result.h"

namespace fsm::cli {

struct Settings {
    std::string fsm_namespace = "fsm-system";
    std::string mesh_name = "fsm";
    std::string kubeconfig;
    std::string kube_context;
    bool verbose = false;
    std::string helm = "helm";
    std::string kubectl = "kubectl";
    std::string file;  // the file that was read; empty: it does not exist
};

// Merges defaults, file and environment. A file that FSM_CONFIG names must exist.
Result<Settings> read_settings();

// The effective settings by the names of the environment variables, in the order above.
std::vector<std::pair<std::string, std::string>> describe(const Settings& settings);

}  // namespace fsm::cli
