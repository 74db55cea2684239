import { effect } from "@preact/signals";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { begin, login, logout, session } from "./api";
import { Icon } from "./icons";
import { paused, reached, stored } from "./live";
import { HomePage } from "./pages/home";
import { Lazy, type Load } from "./lazy";
import { route } from "./router";
import { Button, Field, Problem } from "./ui";
import { isView, paletteOpen, views } from "./views";
import "./style.css";

const theme = stored<"" | "light" | "dark">("faaspot.console.theme", "");
effect(() => {
  if (theme.value) document.documentElement.dataset.theme = theme.value;
  else delete document.documentElement.dataset.theme;
});

/** pages are the pages whose code is loaded when they are first shown: of a list, and of one of it. */
const pages: Record<string, [list: Load, one?: Load]> = {
  functions: [() => import("./pages/functions"), () => import("./pages/function")],
  executions: [() => import("./pages/executions"), () => import("./pages/execution")],
};
const more: Load = () => import("./pages/more");

function View() {
  const [view = "", ...rest] = route.value.path;
  if (view === "") return <HomePage />;
  if (!isView(view)) return <p class="empty">There is no such page.</p>;
  const [list, one] = pages[view] ?? [more];
  return <Lazy key={[view, ...rest].join("/")} load={(rest.length > 0 && one) || list} props={{ view, rest }} />;
}

const themes = { "": "light", light: "dark", dark: "" } as const;

function Side({ open, close }: { open: boolean; close: () => void }) {
  const here = route.value.path[0] ?? "";
  const s = session.value!;
  const state = paused.value ? "paused" : reached.value ? "" : "lost";
  return (
    <nav class={open ? "side open" : "side"} aria-label="Pages" onClick={close}>
      <a class="brand" href="#/"><Icon name="logo" /> faaspot</a>
      <button type="button" onClick={() => (paletteOpen.value = true)}><Icon name="search" /> Search <kbd>Ctrl K</kbd></button>
      {views().map(([path, title, icon]) => (
        <a key={path} href={`#/${path}`} aria-current={path === here ? "page" : undefined}><Icon name={icon} /> {title}</a>
      ))}
      <span class="grow" />
      <button type="button" aria-pressed={paused.value} onClick={() => (paused.value = !paused.value)}>
        <span class={`dot ${state}`} /> {state === "paused" ? "Paused" : state === "lost" ? "Server not reached" : "Live"}
      </button>
      <button type="button" onClick={() => (theme.value = themes[theme.value])}>
        <Icon name="theme" /> Theme: {theme.value || "system"}
      </button>
      <button type="button" onClick={() => void logout()}><Icon name="out" /> Log out</button>
      <p class="who mute">{s.user}{s.tenant ? ` of ${s.tenant}` : ""} · {s.scope || "operator"}<br />{s.version}</p>
    </nav>
  );
}

function Shell() {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    document.querySelector("main")?.focus();
    scrollTo(0, 0);
  }, [route.value.path.join("/")]);
  useEffect(() => {
    const keys = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
        e.preventDefault();
        paletteOpen.value = true;
      }
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);
  return (
    <>
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.querySelector("main")?.focus(); }}>Skip to the content</a>
      <div id="menu">
        <span>faaspot</span>
        <Button aria-expanded={open} aria-label="Menu" onClick={() => setOpen(!open)}><Icon name="menu" /></Button>
      </div>
      <Side open={open} close={() => setOpen(false)} />
      <main id="main" tabIndex={-1}><View /></main>
      {paletteOpen.value && <Lazy load={() => import("./palette")} props={{ view: "", rest: [] }} />}
    </>
  );
}

function Login({ failed }: { failed?: Error }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState(failed);
  const submit = async (e: Event) => {
    e.preventDefault();
    setError(undefined);
    await login(`Token ${token.trim()}`).catch(setError);
  };
  return (
    <main class="login">
      <section class="panel">
        <h1>faaspot</h1>
        <p class="mute">Run <code>fas open</code> in a terminal to log in without typing a token, or paste one here.</p>
        <form onSubmit={submit}>
          <Problem error={error} />
          <Field label="Token">
            <input type="password" name="token" autocomplete="off" required value={token} onInput={(e) => setToken(e.currentTarget.value)} />
          </Field>
          <button class="button main" type="submit">Log in</button>
        </form>
      </section>
    </main>
  );
}

function App({ failed }: { failed?: Error }) {
  const s = session.value;
  useEffect(() => {
    const names = route.value.path;
    document.title = s ? [...names.slice(1).reverse(), views().find(([path]) => path === (names[0] ?? ""))?.[1], "faaspot"].filter(Boolean).join(" · ") : "faaspot";
  }, [route.value, s]);
  return s ? <Shell /> : <Login failed={failed} />;
}

const root = document.getElementById("app")!;
begin().then(
  () => render(<App />, root),
  (e: Error) => render(<App failed={e} />, root),
);
