// Package stricttoml owns the reading of TOML documents from anyone: [Parse] takes time and memory
// in proportion to the length of the text, whatever the text is, and refuses what is nested too
// deeply. The grammar is that of pelletier/go-toml, whose parser returns one expression at a time;
// this package builds the tables, and finds keys that are defined twice.
//
// It refuses to know what a document means, and where it comes from.
//
//	table, err := stricttoml.Parse(text, 200)
//	...
//	object, err := table.JSON()
package stricttoml
