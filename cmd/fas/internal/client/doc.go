// Package client owns how the command line talks to a faaspot server over HTTP: addresses, headers,
// bodies, and what an answer or its absence means. Every failure is a [runtime.Error] for the person
// at the terminal; an [Error] around it has the other members of the server's answer. The JSON forms
// are those of httpapi/wire.
//
// What the server has accepted continues without the client: [Client.Wait], [Client.WaitAll] and
// [Client.Follow] survive lost connections and a server that is unreachable for up to a minute. All
// other requests are sent once, and the error says whether the server may have done the work.
//
// Package client refuses to know profiles, environment variables, flags and terminals.
//
// A [Client] may be used concurrently.
//
//	c, err := client.New(client.Options{URL: "http://127.0.0.1:8080", Token: token})
//	...
//	answer, err := c.Run(ctx, "hello", []byte(`{"name":"you"}`))
//	// answer.Result is JSON
//	id, err := c.Submit(ctx, "hello", []byte(`{"name":"you"}`), client.RunOptions{})
//	...
//	x, err := c.Wait(ctx, id, client.WaitOptions{})
//	// x.Output is JSON, or x.Err() says why the execution has none
package client
