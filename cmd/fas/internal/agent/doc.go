// Package agent owns the tools with which a language model works with a server: it deploys functions,
// runs them and reads their logs, over the Model Context Protocol
// (https://modelcontextprotocol.io/specification).
//
// It refuses to know how the protocol is transported, and what the token of the client permits: the
// server refuses what it does not.
//
//	server := agent.NewServer(c, agent.Options{Version: version})
//	err := server.Run(ctx, &mcp.StdioTransport{})
package agent
