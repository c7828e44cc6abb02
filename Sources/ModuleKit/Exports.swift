// What a module written in Swift works with: one import of ModuleKit brings it all.
@_exported import CNI
@_exported import CatenaABI
@_exported import Digest
@_exported import JSON
@_exported import Linux
@_exported import Namespace
@_exported import Netlink
@_exported import State
