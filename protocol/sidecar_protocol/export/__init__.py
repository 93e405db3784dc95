"""Exports the contract as OpenRPC and TypeScript."""
