// Settings that hold for every command: which cluster, which namespace, which programs. A flag goes
// before the environment, the environment before the file, the file before the default.
//
//   FSM_NAMESPACE    namespace     fsm-system    where the mesh is installed
//   FSM_MESH_NAME    meshName      fsm           the mesh that commands speak of
//   KUBECONFIG       kubeconfig                  as kubectl and helm read it
//   FSM_KUBE_CONTEXT kubeContext                 the current one when it is empty
//   FSM_VERBOSE      verbose       false         show the programs that are called
//   HELM             helm          helm          the program
//   KUBECTL          kubectl       kubectl       the program
//   FSM_CONFIG                                   the file; ~/.fsm/config.yaml when it is not set
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
    std::string file;  // that was read; empty: none was there
};

// Defaults, file and environment. A file that is named by FSM_CONFIG must be there.
Result<Settings> read_settings();

// Names of the environment and what holds, in the order above.
std::vector<std::pair<std::string, std::string>> describe(const Settings& settings);

}  // namespace fsm::cli
