import type { Harness } from '@singletree/harness';
import { z } from 'zod';

/** What `harnesses.ID.options` may hold, as JSON Schema. Undefined where the plugin's own schema says something that JSON Schema has no words for. */
export function optionsSchema({ options }: Harness): object | undefined {
  try {
    const { $schema: _, ...schema } = z.toJSONSchema(options, { io: 'input' });
    return schema;
  } catch {
    return undefined;
  }
}
