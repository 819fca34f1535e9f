import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { DomainError } from '../../errors.ts';
import type { TaskHistory } from '../../store/outbox.ts';
import type { CompletionEvent } from '../../task/completion.ts';
import type { Task } from '../../task/task.ts';
import type { Privacy } from '../attributes.ts';
import { readPairs, variable, type Environment } from '../destinations/pairs.ts';
import { spansOf } from './spans.ts';

/** Who sends: attributes of the OTLP resource, and the version of the instrumentation scope. */
export interface Sender {
  readonly resource: Readonly<Record<string, string>>;
  readonly version: string;
}

export interface FinishedTask {
  readonly task: Task;
  readonly completion: CompletionEvent;
  readonly history: TaskHistory;
}

/**
 * What the environment says of us, over our own defaults. `instanceId` belongs to the store and not to the process, so that a
 * restart does not look like another service. A list of attributes that cannot be read is discarded whole, with a warning, as
 * OpenTelemetry's specification asks.
 */
export function readSender(
  environment: Environment,
  own: { readonly version: string; readonly instanceId: string },
): { readonly sender: Sender; readonly warnings: readonly string[] } {
  const name = variable(environment, 'OTEL_SERVICE_NAME');
  const warnings: string[] = [];
  let attributes: Record<string, string> = {};
  try {
    attributes = readPairs('OTEL_RESOURCE_ATTRIBUTES', variable(environment, 'OTEL_RESOURCE_ATTRIBUTES') ?? '');
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    warnings.push(`${error.message}; the whole variable is ignored`);
  }
  const resource = {
    'service.name': 'singletree',
    'service.version': own.version,
    'service.instance.id': own.instanceId,
    ...attributes,
    ...(name === undefined ? {} : { 'service.name': name }),
  };
  return { sender: { resource, version: own.version }, warnings };
}

/**
 * One `ExportTraceServiceRequest` with the whole trace of a task. Called once per task and destination: the bytes are stored before
 * they are first sent, since backends recognise a repeated span by its content, and another version of us would write another one.
 *
 * @param most spans of tools and model calls that the trace may hold
 */
export function serialise({ task, completion, history }: FinishedTask, sender: Sender, most: number, privacy?: Privacy): Uint8Array {
  // The serializer groups spans by identity, so all of them share these two objects.
  const resource = resourceFromAttributes(sender.resource);
  const instrumentationScope = { name: 'singletree', version: sender.version };
  const bytes = ProtobufTraceSerializer.serializeRequest(
    spansOf(task, completion, history, most, privacy).map((span) => ({ ...span, resource, instrumentationScope })),
  );
  if (!bytes) throw new Error(`task ${task.id} gives no OTLP request`);
  return bytes;
}
