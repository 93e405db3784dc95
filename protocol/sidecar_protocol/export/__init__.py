"""The contract as OpenRPC and TypeScript."""
