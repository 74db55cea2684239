// Package client owns the conversation of the command line with a faaspot
// server over HTTP: addresses, headers, bodies, and what an answer or the lack
// of one means. Every failure is a [runtime.Error] in words for the person at
// the terminal; what the server said beyond that is in an [Error] around it.
//
// What the server has accepted goes on without anybody: [Client.Wait],
// [Client.WaitAll] and [Client.Follow] survive lost connections and a server
// that is away for up to a minute. Everything else is asked for once, and the
// error says what is known of it.
//
// It refuses to know profiles, environment variables, flags and terminals.
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
//	// x.Output is JSON, or x.Err() says why there is none
package client
