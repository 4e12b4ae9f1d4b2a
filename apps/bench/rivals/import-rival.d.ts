export declare function importRival(name: string): Promise<unknown>;
