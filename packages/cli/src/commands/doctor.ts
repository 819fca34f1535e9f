import { nearest } from '@singletree/core/local';
import type { Call, CommandModule } from '../call.ts';
import { sectionLines, sectionsJson, verdict, worstOf, type Section } from '../doctor/show.ts';
import { exitCodes, type ExitCode } from '../exit-codes.ts';
import { badInput } from '../failure.ts';

export const doctor: CommandModule = {
  define(command) {
    command.option('--config <FILE>', 'configuration (default: $SINGLETREE_CONFIG, ~/.config/singletree/config.yaml)').addHelpText(
      'after',
      `
Looks at the tool, the state folder, the configuration, the harnesses, what supervision can do here, where calls are taken and telemetry goes, and the
database; with and without a daemon. Of one that is named by an address over TCP it tells what that one says of itself. It tries what it can try, sends nothing, and leaves nothing behind. What is wrong comes with where, and what mends
it. Ends with 1 if there is an error; a warning is none. With --quiet only what is not well is told.

doctor telemetry sends a span and a metric that say that they are a probe to each destination, by the daemon that runs, else with the environment of
this command; waits for the answers, and says what they mean. Ends with 1 if one was not taken, or nothing is sent anywhere.

Examples:
  singletree doctor
  singletree doctor --json | jq '.checks[] | select(.status == "error")'
  OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 singletree doctor telemetry`,
    );
  },

  async run(call, command) {
    const [what] = command.args;
    const { config } = command.opts<{ config?: string }>();
    if (what === undefined) return await lookAtAll(call, config);
    if (what === 'telemetry') return await (await import('../doctor/telemetry.ts')).tryTelemetry(call, config);
    const meant =
      nearest(what, ['telemetry']) === undefined ? 'singletree doctor, or singletree doctor telemetry' : 'did you mean telemetry?';
    throw badInput(`"${what}" is nothing that doctor looks at by itself`, meant, 'USAGE');
  },
};

async function lookAtAll(call: Call, config: string | undefined): Promise<ExitCode> {
  const sections: Section[] = [];
  const examined = (await call.isOverTcp())
    ? (await import('../doctor/by-answers.ts')).examineByAnswers(call)
    : (await import('../doctor/examine.ts')).examine(call, config);
  for await (const section of examined) {
    sections.push(section);
    if (!call.json) call.print(sectionLines(section, call));
  }
  const all = sections.flatMap(({ findings }) => findings);
  if (call.json) call.printJson(sectionsJson(sections));
  else if (!call.quiet) call.print(['', `  ${verdict(all)}`]);
  return worstOf(all) === 'error' ? exitCodes.failure : exitCodes.success;
}
