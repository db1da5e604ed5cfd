import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { logIn } from "../session";
import { Button } from "../ui/button";
import { TextField } from "../ui/field";
import { Logo } from "../ui/logo";

export function LoginPage({ problem }: { problem: string }): JSX.Element {
  const [token, setToken] = useState("");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (token.trim()) await logIn(token);
  };
  return (
    <main class="login">
      <form class="login-card" onSubmit={submit}>
        <div class="login-brand">
          <Logo size={44} />
          <h1>circus</h1>
        </div>
        <TextField
          label="Token"
          type="password"
          value={token}
          onInput={setToken}
          isRequired
          isCode
          hasFocus
          autocomplete="current-password"
          hint={
            <>
              <code>circushttpd token</code> prints it, on the machine where circushttpd runs.
            </>
          }
        />
        <p class="login-problem" role="alert">
          {problem}
        </p>
        <Button look="primary" type="submit">
          Log in
        </Button>
      </form>
    </main>
  );
}
