package dev

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

// KeysHelp describes the keys.
const KeysHelp = "r run again, a edit the args, f next function, t fire a trigger, l log on or off, o open the console, d deploy to the profile, c clear, q quit"

// press handles a key. It returns false if the user quits.
func (s *session) press(ctx context.Context, key byte) (goOn bool) {
	confirmed := s.asked && key == 'd'
	choice := s.choice
	s.asked, s.choice = false, nil
	if i := int(key) - '1'; i >= 0 && i < len(choice) {
		s.fire(ctx, choice[i])
		return true
	}
	switch key {
	case 'r':
		if s.current == "" {
			s.next()
		}
		_ = s.run(ctx, time.Now()) // it was shown
	case 'a':
		if err := s.edit(ctx); err != nil {
			s.Show.Failed("", err)
			return true
		}
		_ = s.run(ctx, time.Now())
	case 'f':
		s.next()
	case 't':
		if err := s.chooseTrigger(ctx); err != nil {
			s.Show.Failed("", err)
		}
	case 'o':
		if err := s.openConsole(ctx); err != nil {
			s.Show.Failed("", err)
		}
	case 'l':
		s.hideLog = !s.hideLog
		if s.hideLog {
			s.Show.Note("logs are off")
		} else {
			s.Show.Note("logs are on")
		}
	case 'd':
		if err := s.publish(ctx, confirmed); err != nil {
			s.Show.Failed("", err)
		}
	case 'c':
		if s.Clear != nil {
			s.Clear()
		}
	case 'q', 3, 4: // Ctrl-C and Ctrl-D, if the terminal passes them on
		return false
	case 'h', '?':
		s.Show.Note(KeysHelp)
	}
	return true
}

// next chooses the next function by name as the current one.
func (s *session) next() {
	names := slices.Sorted(maps.Keys(s.served))
	if len(names) == 0 {
		return
	}
	i, _ := slices.BinarySearch(names, s.current)
	if s.current != "" {
		i++
	}
	s.current = names[i%len(names)]
	s.Show.Note("r runs " + s.current)
}

// openConsole opens the console of the server, or shows its address if there is no browser.
func (s *session) openConsole(ctx context.Context) error {
	url, _, err := s.Client.ConsoleURL(ctx)
	if err != nil {
		return err
	}
	if s.Open == nil || s.Open(url) != nil {
		s.Show.Note("open " + url)
		return nil
	}
	s.Show.Note("the console is open in the browser")
	return nil
}

// publish deploys the current function to the server of the user's profile, once that is confirmed.
func (s *session) publish(ctx context.Context, confirmed bool) error {
	f := s.served[s.current]
	if f == nil || s.Target == nil {
		return clierror.Usagef("press f until it is chosen", "there is no function to deploy")
	}
	c, err := s.Target()
	if err != nil {
		return err
	}
	defer c.Close()
	if !confirmed {
		s.asked = true
		s.Show.Note("press d again to deploy " + f.Name + " to " + c.URL())
		return nil
	}
	sent := f.Function
	sent.Values = nil // they are for this machine
	if _, err := s.deploy(ctx, c, sent, f.Name); err != nil {
		return err
	}
	s.Show.Note("deployed " + f.Name + " to " + c.URL())
	return nil
}

// edit lets the user edit the args.
func (s *session) edit(ctx context.Context) error {
	if s.Edit == nil {
		return clierror.Usagef("", "there is no editor without a terminal")
	}
	text, err := s.Edit(ctx, s.args)
	if err != nil {
		return err
	}
	if err := runtime.ValidateObject("args", text, runtime.MaxArgs); err != nil {
		return err
	}
	if err := strictjson.Check(text, strictjson.Options{Object: true}); err != nil { // it is empty
		return clierror.Usagef("write a JSON object, such as {}", "the args are not a JSON object: %v", err)
	}
	s.args = text
	return nil
}

// asAnswer returns the answer of a server in the chain of an error.
func asAnswer(err error) (*client.Error, bool) { return errors.AsType[*client.Error](err) }
