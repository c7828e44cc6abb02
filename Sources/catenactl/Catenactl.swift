import ArgumentParser
import ModuleABI

/// `catenactl`: CNI networks from a shell, on the same engine as `catena`.
@main
struct Catenactl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "catenactl",
        abstract: "Attach network namespaces to CNI networks, and see what is there.",
        discussion: """
            A network is a list of plugins in a file of /etc/cni/net.d (or the directory in NETCONFPATH). Try one out by hand:

              ip netns add test
              catenactl add mynet /run/netns/test      # interface, addresses, routes: as the network's plugins make them
              ip netns exec test ip address
              catenactl check mynet /run/netns/test    # is all still as it was made?
              catenactl del mynet /run/netns/test

            Environment, as cnitool has it:
              NETCONFPATH   directory of the configuration files (/etc/cni/net.d)
              CNI_PATH      where executable plugins are, for those that have no module
              CNI_IFNAME    the interface's name in the namespace (eth0), as -i
              CNI_ARGS      arguments for plugins, "K=V;K=V"
              CAP_ARGS      capability arguments, JSON: {"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}
            And of Catena:
              CATENA_MODULE_PATH   directories of modules, in place of those beside the program
              CATENA_LOG           debug, info, warning or error: what goes to standard error (warning)
            """,
        version: "\(CatenaVersion.text)",
        subcommands: [
            Add.self, Check.self, Del.self, GC.self, Status.self, Repair.self, List.self, IPAM.self, DHCP.self,
            Validate.self, Schema.self, Module.self,
        ])
}
